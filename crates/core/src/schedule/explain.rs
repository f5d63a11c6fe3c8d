//! Why no host fits, in one sentence: "no host fits: 3 hosts lack label gpu=yes, h4 has port 80 taken by web-1".

use std::collections::BTreeMap;

use super::Misfit;

/// Group the misfits of hosts, most frequent first, into one sentence.
pub fn explain(misfits: &[(String, Misfit)]) -> String {
    if misfits.is_empty() {
        return "no host fits: there is none; register one with `drover agent`".to_owned();
    }
    let mut groups: BTreeMap<&Misfit, Vec<&str>> = BTreeMap::new();
    for (host, misfit) in misfits {
        groups.entry(misfit).or_default().push(host);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(misfit, hosts)| (std::cmp::Reverse(hosts.len()), *misfit));
    let parts: Vec<_> = groups.iter().map(|(misfit, hosts)| say(misfit, hosts)).collect();
    format!("no host fits: {}", parts.join(", "))
}

fn say(misfit: &Misfit, hosts: &[&str]) -> String {
    let one = hosts.len() == 1;
    let who = match hosts {
        [host] => (*host).to_owned(),
        hosts => format!("{} hosts", hosts.len()),
    };
    let verb = |singular: &'static str, plural| if one { singular } else { plural };
    let (is, has, lacks) = (verb("is", "are"), verb("has", "have"), verb("lacks", "lack"));
    match misfit {
        Misfit::Inactive => format!("{who} {is} deactivated"),
        Misfit::Disconnected => format!("{who} {is} not connected"),
        Misfit::Impaired(problem) => format!("{who} {has} a problem ({problem})"),
        Misfit::NotTheRequestedHost => format!("{who} {is} not the host asked for"),
        Misfit::DataElsewhere { volume } => {
            format!("{who} {} not have the data of volume {volume}", verb("does", "do"))
        }
        Misfit::PortTaken { port, protocol, holder } => {
            format!("{who} {has} port {port}/{protocol} taken by {holder}")
        }
        Misfit::Memory => format!("{who} {lacks} memory"),
        Misfit::Cpu => format!("{who} {lacks} CPU"),
        Misfit::RequireAny(labels) => {
            format!("{who} {} only containers labelled {labels}", verb("takes", "take"))
        }
        Misfit::Lacks(what) => format!("{who} {lacks} {what}"),
        Misfit::Has(what) => format!("{who} {has} {what}, which is excluded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_grouped_by_reason() {
        let lacks = || Misfit::Lacks("label gpu=yes".into());
        let taken = Misfit::PortTaken {
            port: 80,
            protocol: crate::Protocol::Tcp,
            holder: "blog-web-1".into(),
        };
        let misfits = [
            ("h1".to_owned(), lacks()),
            ("h2".to_owned(), taken),
            ("h3".to_owned(), lacks()),
            ("h4".to_owned(), Misfit::Disconnected),
        ];
        assert_eq!(
            explain(&misfits),
            "no host fits: 2 hosts lack label gpu=yes, h4 is not connected, h2 has port 80/tcp \
             taken by blog-web-1"
        );
        assert!(explain(&[]).contains("there is none"));
    }
}

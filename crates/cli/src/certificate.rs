//! `certificate`: what balancers serve. A second `add` under a name renews in place: no balancer is touched.

use std::path::Path;

use drover_rollout::{Event, text};
use serde_json::{Value, json};

use crate::args::{AddCertificate, CertificateCommand, Certificates, Operator};
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::Reporter;
use crate::table::print;

const COLUMNS: [&str; 5] = ["ID", "NAME", "FOR", "ISSUER", "EXPIRES"];

/// `certificate …`.
pub(crate) async fn certificate(
    command: &CertificateCommand,
    reporter: &Reporter,
) -> Result<(), Failure> {
    match command {
        CertificateCommand::Ls(operator) => ls(operator).await,
        CertificateCommand::Add(add) => add_or_renew(add, reporter).await,
        CertificateCommand::Rm(some) => rm(some, reporter).await,
    }
}

async fn ls(operator: &Operator) -> Result<(), Failure> {
    let all = all(&connect(operator).await?).await?;
    if operator.output.json {
        return all.iter().try_for_each(|held| say(&held.to_string()));
    }
    print(&COLUMNS, &all.iter().map(cells).collect::<Vec<_>>())
}

async fn add_or_renew(add: &AddCertificate, reporter: &Reporter) -> Result<(), Failure> {
    let chain = add.chain.as_deref().map(read).transpose()?;
    let body = json!({
        "name": add.name, "cert": read(&add.cert)?, "key": read(&add.key)?, "certChain": chain,
    });
    let client = connect(&add.operator).await?;
    let held = all(&client).await?;
    let held = held.iter().find(|held| text(held, "name").eq_ignore_ascii_case(&add.name));
    let (made, said) = match held {
        None => {
            let doing = format!("add the certificate {}", add.name);
            (client.create(&doing, "certificates", &body).await?, "added")
        }
        Some(held) => {
            let (doing, path) = (
                format!("renew the certificate {}", add.name),
                format!("certificates/{}", text(held, "id")),
            );
            (client.update(&doing, &path, &body).await?, "renewed")
        }
    };
    let until = text(&made, "expiresAt");
    reporter
        .tell(&Event::general("certificate", format!("{}: {said}, valid until {until}", add.name)));
    Ok(())
}

async fn rm(some: &Certificates, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&some.operator).await?;
    let all = all(&client).await?;
    for asked in &some.certificates {
        let is_it = |held: &&Value| {
            text(held, "id") == *asked || text(held, "name").eq_ignore_ascii_case(asked)
        };
        let Some(held) = all.iter().find(is_it) else {
            return Err(Failure::Failed(format!("there is no certificate `{asked}`")));
        };
        let doing = format!("remove the certificate {asked}");
        client.delete(&doing, &format!("certificates/{}", text(held, "id"))).await?;
        reporter.tell(&Event::general("remove", format!("{asked}: removed")));
    }
    Ok(())
}

async fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the certificates", "certificates", &[("removed_null", "1")]).await?)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Failed(format!("{} can't be read: {error}", path.display())))
}

fn cells(held: &Value) -> Vec<String> {
    let names = held["subjectAlternativeNames"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let names = if names.is_empty() { text(held, "CN") } else { names.join(", ") };
    vec![text(held, "id"), text(held, "name"), names, text(held, "issuer"), text(held, "expiresAt")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_as_a_row() {
        let held = json!({
            "id": "1c7", "name": "shop", "CN": "a.com", "issuer": "CN=CA", "expiresAt": "2027-01-01T00:00:00Z",
            "subjectAlternativeNames": ["a.com", "b.com"],
        });
        assert_eq!(
            cells(&held).join(" | "),
            "1c7 | shop | a.com, b.com | CN=CA | 2027-01-01T00:00:00Z"
        );
    }
}

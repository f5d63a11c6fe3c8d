//! `account` and `member`: who has keys, and who may do what in an environment. Through the same API; what a role is good
//! for is the server's to say.

use drover_rollout::{Event, text};
use serde_json::{Value, json};

use crate::args::{
    AccountCommand, Accounts, MemberCommand, Members, NewAccount, OneAccount, Operator, Whom,
};
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, connect_outside, say, say_key, switch};
use crate::progress::Reporter;
use crate::table::print;

const ACCOUNTS: [&str; 5] = ["ID", "NAME", "KIND", "STATE", "ELSEWHERE"];
const MEMBERS: [&str; 4] = ["ID", "WHO", "NAME", "ROLE"];
/// What accounts of the server are called among identities.
const LOCAL: &str = "rancher_id";

/// `account …`.
pub(crate) async fn account(command: &AccountCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        AccountCommand::Ls(operator) => list_accounts(operator).await,
        AccountCommand::Create(new) => create(new, reporter).await,
        AccountCommand::Key(one) => another_key(one).await,
        AccountCommand::Activate(some) => each(some, reporter, "activate", "active").await,
        AccountCommand::Deactivate(some) => each(some, reporter, "deactivate", "inactive").await,
        AccountCommand::Rm(some) => each(some, reporter, "remove", "removed").await,
    }
}

/// `member …`.
pub(crate) async fn member(command: &MemberCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        MemberCommand::Ls(operator) => list_members(operator).await,
        MemberCommand::Add(members) => add(members, reporter).await,
        MemberCommand::Set(members) => set(members, reporter).await,
        MemberCommand::Rm(whom) => remove(whom, reporter).await,
    }
}

async fn list_accounts(operator: &Operator) -> Result<(), Failure> {
    let all = all_accounts(&connect_outside(operator)?).await?;
    shown(operator, &ACCOUNTS, &all, account_cells)
}

async fn create(new: &NewAccount, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect_outside(&new.operator)?;
    let mut body = json!({ "name": new.name, "kind": if new.admin { "admin" } else { "user" } });
    if let Some(external) = &new.external {
        let (kind, id) = external.split_once(':').ok_or_else(|| {
            let why = format!("`{external}` is not TYPE:ID, such as github_user:650430");
            Failure::Failed(why)
        })?;
        (body["externalIdType"], body["externalId"]) = (json!(kind), json!(id));
    }
    let made = client.create(&format!("make the account {}", new.name), "accounts", &body).await?;
    let id = text(&made, "id");
    let key = key_of(&client, &id).await?;
    say_key(&key, new.operator.output.json)?;
    reporter.tell(&Event::aside(format!(
        "The key of account {} ({id}) is shown this once. drover member add {}=member lets it into an environment",
        new.name, new.name
    )));
    Ok(())
}

async fn another_key(one: &OneAccount) -> Result<(), Failure> {
    let client = connect_outside(&one.operator)?;
    let all = all_accounts(&client).await?;
    let account = find(&all, &one.account).map_err(Failure::Failed)?;
    say_key(&key_of(&client, &text(account, "id")).await?, one.operator.output.json)
}

async fn key_of(client: &Client, account: &str) -> Result<Value, Failure> {
    let body = json!({ "accountId": account });
    Ok(client.create("make a key for the account", "apikeys", &body).await?)
}

/// The same for several accounts, all of them known before the first is touched.
async fn each(
    some: &Accounts,
    reporter: &Reporter,
    action: &'static str,
    state: &str,
) -> Result<(), Failure> {
    let client = connect_outside(&some.operator)?;
    let all = all_accounts(&client).await?;
    let chosen = some.accounts.iter().map(|asked| find(&all, asked));
    let chosen = chosen.collect::<Result<Vec<_>, _>>().map_err(Failure::Failed)?;
    for account in chosen {
        let name = shown_name(account);
        switch(&client, reporter, (account, "account", &name), (action, state)).await?;
    }
    Ok(())
}

async fn list_members(operator: &Operator) -> Result<(), Failure> {
    let all = all_members(&connect(operator).await?).await?;
    shown(operator, &MEMBERS, &all, member_cells)
}

async fn add(members: &Members, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&members.operator).await?;
    let accounts = known_accounts(&client, members.members.iter().map(|(who, _)| who)).await?;
    let held = all_members(&client).await?;
    for (who, role) in &members.members {
        let (kind, id) = identity(&accounts, who).map_err(Failure::Failed)?;
        let doing = format!("make {who} a member");
        if let Some(member) = held.iter().find(|member| is_meant(member, &kind, &id)) {
            let path = format!("projectmembers/{}", text(member, "id"));
            client.update(&doing, &path, &json!({ "role": role })).await?;
        } else {
            let body = json!({ "externalIdType": kind, "externalId": id, "role": role });
            client.create(&doing, "projectmembers", &body).await?;
        }
        reporter.tell(&Event::general("member", format!("{who}: {role}")));
    }
    Ok(())
}

async fn set(members: &Members, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&members.operator).await?;
    let accounts = known_accounts(&client, members.members.iter().map(|(who, _)| who)).await?;
    let wanted = members.members.iter().map(|(who, role)| {
        let (kind, id) = identity(&accounts, who)?;
        Ok(json!({ "externalIdType": kind, "externalId": id, "role": role }))
    });
    let wanted = wanted.collect::<Result<Vec<_>, String>>().map_err(Failure::Failed)?;
    let path = format!("projects/{}", client.environment());
    let body = json!({ "members": wanted });
    client.act("set the members", &path, "setmembers", &body).await?;
    for (who, role) in &members.members {
        reporter.tell(&Event::general("member", format!("{who}: {role}")));
    }
    Ok(())
}

async fn remove(whom: &Whom, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&whom.operator).await?;
    let all = all_members(&client).await?;
    let is_it = |member: &Value, asked: &str| {
        let names =
            [text(member, "id"), text(member, "name"), text(member, "externalId"), who(member)];
        names.iter().any(|name| name == asked)
    };
    for asked in &whom.whom {
        let Some(member) = all.iter().find(|member| is_it(member, asked)) else {
            return Err(Failure::Failed(format!("`{asked}` is no member of this environment")));
        };
        let path = format!("projectmembers/{}", text(member, "id"));
        client.delete(&format!("take {asked} out"), &path).await?;
        reporter.tell(&Event::general("remove", format!("{asked}: no member any more")));
    }
    Ok(())
}

async fn all_accounts(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the accounts", "accounts", &[("removed_null", "1")]).await?)
}

async fn all_members(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the members", "projectmembers", &[("removed_null", "1")]).await?)
}

/// The accounts, if any are called by name; ids and names from elsewhere need no looking up.
async fn known_accounts<'a>(
    client: &Client,
    mut called: impl Iterator<Item = &'a String>,
) -> Result<Vec<Value>, Failure> {
    let is_name = |who: &String| !who.contains(':') && !is_id(who);
    if called.any(is_name) { all_accounts(client).await } else { Ok(Vec::new()) }
}

/// Type and id of whoever is meant.
fn identity(accounts: &[Value], who: &str) -> Result<(String, String), String> {
    match who.split_once(':') {
        Some((kind, id)) => Ok((kind.to_owned(), id.to_owned())),
        None if is_id(who) => Ok((LOCAL.to_owned(), who.to_owned())),
        None => Ok((LOCAL.to_owned(), text(find(accounts, who)?, "id"))),
    }
}

fn is_id(who: &str) -> bool {
    let number = who.strip_prefix("1a").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn find<'a>(all: &'a [Value], asked: &str) -> Result<&'a Value, String> {
    let is_it = |account: &&Value| text(account, "id") == asked || text(account, "name") == asked;
    let found: Vec<&Value> = all.iter().filter(is_it).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!(
            "there is no account `{asked}` that this key sees; an id like 1a7 does too"
        )),
        _ => {
            let ids: Vec<String> = found.iter().map(|account| text(account, "id")).collect();
            Err(format!(
                "several accounts are called `{asked}`: use an id, one of {}",
                ids.join(", ")
            ))
        }
    }
}

fn is_meant(member: &Value, kind: &str, id: &str) -> bool {
    text(member, "externalIdType") == kind && text(member, "externalId") == id
}

/// `github_user:650430`, or an account's id.
fn who(row: &Value) -> String {
    match (text(row, "externalIdType"), text(row, "externalId")) {
        (kind, id) if kind == LOCAL => id,
        (kind, id) => format!("{kind}:{id}"),
    }
}

fn shown_name(account: &Value) -> String {
    let name = text(account, "name");
    if name.is_empty() { text(account, "id") } else { name }
}

fn account_cells(row: &Value) -> Vec<String> {
    let elsewhere = Some(who(row)).filter(|who| *who != text(row, "id"));
    let plain = ["id", "name", "kind", "state"].map(|name| text(row, name));
    plain.into_iter().chain([elsewhere.unwrap_or_else(|| "-".to_owned())]).collect()
}

fn member_cells(row: &Value) -> Vec<String> {
    let name = Some(text(row, "name")).filter(|name| !name.is_empty());
    vec![text(row, "id"), who(row), name.unwrap_or_else(|| "-".to_owned()), text(row, "role")]
}

fn shown(
    operator: &Operator,
    columns: &[&str],
    all: &[Value],
    cells: fn(&Value) -> Vec<String>,
) -> Result<(), Failure> {
    if operator.output.json {
        return all.iter().try_for_each(|row| say(&row.to_string()));
    }
    print(columns, &all.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_meant() {
        let all = [
            json!({ "id": "1a7", "name": "ann" }),
            json!({ "id": "1a8", "name": "bob" }),
            json!({ "id": "1a9", "name": "bob" }),
        ];
        let meant = |who: &str| identity(&all, who);
        let local = |id: &str| Ok((LOCAL.to_owned(), id.to_owned()));
        assert_eq!(meant("ann"), local("1a7"));
        assert_eq!(meant("1a99"), local("1a99"));
        assert_eq!(meant("github_user:650430"), Ok(("github_user".into(), "650430".into())));
        assert!(meant("bob").unwrap_err().contains("one of 1a8, 1a9"));
        assert!(meant("eve").unwrap_err().contains("no account `eve`"));
    }

    #[test]
    fn rows() {
        let account = json!({ "id": "1a7", "name": "ann", "kind": "user", "state": "active",
                              "externalIdType": "rancher_id", "externalId": "1a7" });
        assert_eq!(account_cells(&account).join(" | "), "1a7 | ann | user | active | -");
        let member = json!({ "id": "1pm3", "name": null, "role": "owner",
                             "externalIdType": "github_user", "externalId": "650430" });
        assert_eq!(member_cells(&member).join(" | "), "1pm3 | github_user:650430 | - | owner");
    }
}

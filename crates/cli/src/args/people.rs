//! `account` and `member`.

use clap::{Args, Subcommand};

use super::Operator;

/// `account`: who has keys of their own.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountCommand {
    /// List accounts
    Ls(Operator),
    /// Make an account and a key for it, and print the key, once
    Create(NewAccount),
    /// Make another key for an account and print it, once
    Key(OneAccount),
    /// Let the keys of accounts open what they opened
    Activate(Accounts),
    /// Let the keys of accounts open nothing; memberships stay
    Deactivate(Accounts),
    /// Remove accounts for good, with their keys and memberships
    Rm(Accounts),
}

/// `account create`.
#[derive(Args, Clone, Debug)]
pub struct NewAccount {
    /// Name to show for it
    pub name: String,
    /// It may do everything everywhere
    #[arg(long)]
    pub admin: bool,
    /// Who this is elsewhere, such as github_user:650430: memberships of that name are this account's
    #[arg(long, value_name = "TYPE:ID")]
    pub external: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// One account.
#[derive(Args, Clone, Debug)]
pub struct OneAccount {
    /// Account, by name or id
    pub account: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Some accounts.
#[derive(Args, Clone, Debug)]
pub struct Accounts {
    /// Accounts, by name or id
    #[arg(value_name = "ACCOUNT", required = true)]
    pub accounts: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// `member`: who may do what in the environment.
#[derive(Clone, Debug, Subcommand)]
pub enum MemberCommand {
    /// List members and their roles
    Ls(Operator),
    /// Make somebody a member, or give them another role
    #[command(after_help = MEMBERS)]
    Add(Members),
    /// Say who the members are: whoever is not named is none any more
    #[command(after_help = MEMBERS)]
    Set(Members),
    /// Take members out
    Rm(Whom),
}

const MEMBERS: &str = "Examples:
  drover member add ann=member
  drover member set ann=owner bob=readonly github_user:650430=restricted

WHO is an account by name or id, or who somebody is elsewhere as TYPE:ID: that counts once such an account exists.
Roles: readonly looks; restricted works with stacks and services; member with everything in the environment, hosts
and registries too; owner says who is a member.";

/// Members with roles.
#[derive(Args, Clone, Debug)]
pub struct Members {
    /// Who, and as what
    #[arg(value_name = "WHO=ROLE", required = true, value_parser = parse_member)]
    pub members: Vec<(String, String)>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Members.
#[derive(Args, Clone, Debug)]
pub struct Whom {
    /// Members, by name, id, or as TYPE:ID
    #[arg(value_name = "WHO", required = true)]
    pub whom: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

fn parse_member(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((who, role)) if !who.is_empty() && !role.is_empty() => Ok((who.into(), role.into())),
        _ => Err("say WHO=ROLE, such as ann=member".to_owned()),
    }
}

impl AccountCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Create(new) => &mut new.operator,
            Self::Key(one) => &mut one.operator,
            Self::Activate(some) | Self::Deactivate(some) | Self::Rm(some) => &mut some.operator,
        }
    }
}

impl MemberCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Add(members) | Self::Set(members) => &mut members.operator,
            Self::Rm(whom) => &mut whom.operator,
        }
    }
}

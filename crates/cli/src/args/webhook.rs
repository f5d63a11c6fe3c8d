//! `webhook`.

use clap::{Args, Subcommand};

use super::Operator;

/// `webhook`.
#[derive(Clone, Debug, Subcommand)]
pub enum WebhookCommand {
    /// List webhooks; their URLs are never shown again
    Ls(Operator),
    /// Make a webhook and print its URL, which is shown this once
    ///
    /// Whoever has the URL can call it: POST, without any key. With --upgrade the body says what was pushed, and those services are
    /// upgraded that have all the labels and run that image already; the upgrade goes by the service's own policy and confirms itself.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Box<NewWebhook>),
    /// Give a webhook another URL; the one it had is refused from then on
    Renew(Webhooks),
    /// Remove webhooks; who calls them is refused
    Rm(Webhooks),
}

const CREATE_EXAMPLES: &str = "Examples:
  drover webhook create more --scale-up shop/web --max 10
  drover webhook create hub --upgrade deploy=auto --tag latest
  drover webhook create ci --upgrade app=web --tag stable --payload generic
  curl -d '{\"image\": \"registry.example/web\", \"tag\": \"stable\"}' \"$URL\"";

/// `webhook create`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("deed").required(true).args(["scale_up", "scale_down", "upgrade"])))]
pub struct NewWebhook {
    /// What it is called
    pub name: String,
    /// Service that gets more units, as SERVICE or STACK/SERVICE
    #[arg(long, value_name = "SERVICE")]
    pub scale_up: Option<String>,
    /// Service that gets fewer units
    #[arg(long, value_name = "SERVICE")]
    pub scale_down: Option<String>,
    /// How many units at a time [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "upgrade")]
    pub amount: Option<u32>,
    /// Never to fewer units than this [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "upgrade")]
    pub min: Option<u32>,
    /// Never to more units than this [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "upgrade")]
    pub max: Option<u32>,
    /// Label and value that services to be upgraded have; may be repeated, all must be there
    #[arg(long, value_name = "LABEL=VALUE", requires = "tag")]
    pub upgrade: Vec<String>,
    /// The tag that must have been pushed
    #[arg(long, requires = "upgrade")]
    pub tag: Option<String>,
    /// In whose words a push is told [default: dockerhub]
    #[arg(long, value_name = "WHOSE", requires = "upgrade", value_parser = ["dockerhub", "alicloud", "azure", "registry", "generic"])]
    pub payload: Option<String>,
    /// Units that are upgraded at a time [default: as the service has it]
    #[arg(long, value_name = "N", requires = "upgrade")]
    pub batch_size: Option<u32>,
    /// Pause between batches, milliseconds [default: as the service has it]
    #[arg(long, value_name = "MS", requires = "upgrade")]
    pub interval: Option<u64>,
    /// Start new containers before old ones are stopped [default: as the service has it]
    #[arg(long, requires = "upgrade")]
    pub start_first: bool,
    /// What is said of it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Webhooks by name.
#[derive(Args, Clone, Debug)]
pub struct Webhooks {
    /// Webhooks, by name or id
    #[arg(value_name = "WEBHOOK", required = true)]
    pub webhooks: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

impl WebhookCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Create(new) => &mut new.operator,
            Self::Renew(some) | Self::Rm(some) => &mut some.operator,
        }
    }
}

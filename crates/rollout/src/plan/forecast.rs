//! What would come of a plan, as the server foretells it from the very requests that would be made.

use serde_json::{Value, json};

use super::targets::Targets;
use super::{Held, Plan, body};
use crate::diff::compare;
use crate::error::Failure;
use crate::session::Session;

impl Plan {
    /// Ask the server what would come of it.
    pub async fn foretell(&self, session: &Session<'_>) -> Result<Value, Failure> {
        let views = session.services().await?;
        let targets = Targets::find(session, &self.spec, &views).await?;
        let project = format!("projects/{}", session.api.environment());
        let body = self.requests(session, &targets)?;
        Ok(session.api.act("plan this", &project, "forecast", &body).await?)
    }

    /// The bodies of the requests, all in one.
    fn requests(&self, session: &Session<'_>, targets: &Targets) -> Result<Value, Failure> {
        let find = |name: &str| targets.get(name);
        let create = self.missing().map(|spec| {
            let mut made = body::service(spec, "", &find);
            made["type"] = drover_api::type_name(body::collection(spec)).into();
            // What its rules name may be yet to be made; where it will run does not hang on them.
            if targets.check(spec).is_err() {
                made["lbConfig"] = Value::Null;
            }
            made
        });
        let mut update = Vec::new();
        for (spec, Held { view, .. }) in self.held().filter(|(_, held)| held.decision.put) {
            let difference =
                compare(spec, view, &find).map_err(|error| Failure::Failed(error.to_string()))?;
            let mut fields = Value::from(difference.fields);
            fields["serviceId"] = view.id.as_str().into();
            update.push(fields);
        }
        let remove = self.strays.iter().filter(|_| self.asked.prune).map(|view| view.id.as_str());
        let mut all = json!({
            "create": create.collect::<Vec<_>>(),
            "update": update,
            "upgrade": self.members(),
            "remove": remove.collect::<Vec<_>>(),
        });
        match &session.stack {
            Some(stack) => all["stackId"] = stack.id.as_str().into(),
            None => all["stackName"] = session.name.as_str().into(),
        }
        Ok(all)
    }
}

//! One stack, and its services.

use serde_json::{Value, json};

use crate::bench::Bench;

pub(crate) struct One {
    pub(crate) bench: Bench,
    pub(crate) stack: String,
}

impl One {
    pub(crate) fn new(hosts: u64) -> Self {
        let mut bench = Bench::new(hosts);
        let stack = bench.ask("POST ~/stacks", json!({ "name": "web" }), 201);
        let stack = stack["id"].as_str().unwrap().to_owned();
        Self { bench, stack }
    }

    pub(crate) fn body(&self, name: &str, more: &Value) -> Value {
        let mut body = json!({ "name": name, "stackId": self.stack,
                               "launchConfig": { "imageUuid": "docker:nginx:1" } });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    }

    pub(crate) fn make(&mut self, name: &str, more: &Value) -> String {
        let body = self.body(name, more);
        self.bench.ask("POST ~/services", body, 201)["id"].as_str().unwrap().to_owned()
    }

    /// A running service.
    pub(crate) fn run(&mut self, name: &str, more: &Value) -> String {
        let id = self.make(name, more);
        self.bench.settle();
        self.act(&id, "activate", Value::Null, 202);
        self.bench.settle();
        id
    }

    pub(crate) fn act(&mut self, id: &str, action: &str, body: Value, status: u16) -> Value {
        self.bench.ask(&format!("POST ~/services/{id}/?action={action}"), body, status)
    }

    pub(crate) fn see(&mut self, id: &str) -> Value {
        self.bench.get(&format!("~/services/{id}"))
    }

    pub(crate) fn state(&mut self, id: &str) -> String {
        self.see(id)["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn upgrade(&mut self, id: &str, image: &str, more: &Value, status: u16) -> Value {
        let mut strategy = json!({ "launchConfig": { "imageUuid": format!("docker:{image}") } });
        for (name, value) in more.as_object().into_iter().flatten() {
            strategy[name] = value.clone();
        }
        self.act(id, "upgrade", json!({ "inServiceStrategy": strategy }), status)
    }
}

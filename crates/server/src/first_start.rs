//! What a new cluster begins with: an id, a project, an administrator, and one key for whoever started it.

use drover_core::{
    Account, AccountId, AccountKind, CLUSTER_SETTING, Change, Credential, CredentialId, Grant,
    Project, ProjectId, Secret, Time, World,
};
use drover_store::{CommitError, Store};

use crate::auth::hash;
use crate::clock;
use crate::random::{access_key, secret_key, uuid};

/// Number of the first project: Rancher's own is 1a5, and scripts are full of it.
const FIRST_PROJECT: u64 = 5;

/// The first administrator's key. The server keeps only a hash of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminKey {
    /// Access key, 20 characters.
    pub access: String,
    /// Secret key, 40 characters.
    pub secret: Secret,
}

/// Begin the cluster if this store holds none. `tell` gets the key before it is committed: dying in between
/// leaves a key that opens nothing, and the next start tells another one.
pub async fn begin(store: &Store, tell: impl FnOnce(AdminKey)) -> Result<(), CommitError> {
    let world = store.world();
    if !world.cluster().is_empty() {
        return adopt(store, &world).await;
    }
    let secret = secret_key();
    let key = AdminKey { access: access_key(), secret: Secret::new(secret.as_str()) };
    let changes = beginning(&world, &key.access, &secret);
    tell(key);
    store.commit(Some(world.revision), "first start", clock::now(), changes).await?;
    tracing::info!("a new cluster was made");
    Ok(())
}

/// A cluster from before there were accounts: its keys for everything go to a first administrator, and work as they did.
async fn adopt(store: &Store, world: &World) -> Result<(), CommitError> {
    if !world.accounts.is_empty() {
        return Ok(());
    }
    let now = clock::now();
    let account = first_account(world, now);
    let keys = world.credentials.values().filter(|key| key.grants == Grant::Admin);
    let keys = keys.map(|key| Credential { grants: Grant::Account(account.id), ..(**key).clone() });
    let changes: Vec<_> = [Change::PutAccount(account.clone())]
        .into_iter()
        .chain(keys.map(Change::PutCredential))
        .collect();
    store.commit(Some(world.revision), "first start with accounts", now, changes).await?;
    tracing::info!(account = %account.id, "the keys for everything belong to a first administrator now");
    Ok(())
}

fn first_account(world: &World, created_at: Time) -> Account {
    Account {
        id: AccountId(world.next_id),
        kind: AccountKind::Admin,
        name: "admin".to_owned(),
        description: "Made at the first start".to_owned(),
        external: None,
        active: true,
        created_at,
        removed_at: None,
    }
}

fn beginning(world: &World, access: &str, secret: &str) -> Vec<Change> {
    let now = clock::now();
    let account = first_account(world, now);
    let project = ProjectId((account.id.0 + 1).max(FIRST_PROJECT));
    let key = Credential {
        id: CredentialId(project.0 + 1),
        grants: Grant::Account(account.id),
        name: "admin".to_owned(),
        description: "Made at the first start".to_owned(),
        public: access.to_owned(),
        secret_sha256: hash(secret),
        readable: None,
        active: true,
        created_at: now,
        removed_at: None,
    };
    let project = Project {
        id: project,
        name: "Default".to_owned(),
        description: String::new(),
        settings: drover_core::ProjectSettings::default(),
        created_at: now,
        removed_at: None,
    };
    vec![
        Change::SetSetting { name: CLUSTER_SETTING.to_owned(), value: Some(uuid()) },
        Change::PutAccount(account),
        Change::PutProject(project),
        Change::PutCredential(key),
    ]
}

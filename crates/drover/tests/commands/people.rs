//! Accounts and members, from the command line: made, let in, switched off.

use crate::cluster::Cluster;

/// The value of a line `export NAME=value`.
fn exported<'a>(out: &'a str, name: &str) -> &'a str {
    let start = format!("export {name}=");
    out.lines().find_map(|line| line.strip_prefix(&start)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_let_in_and_shut_out_again() {
    let cluster = Cluster::without_hosts().await;
    let made = cluster.drover("account create ann").await.with(0);
    let access = exported(&made.out, "DROVER_ACCESS_KEY");
    let secret = exported(&made.out, "DROVER_SECRET_KEY");
    assert!(made.err.contains("shown this once") && !made.err.contains(secret), "{}", made.err);
    let as_ann = |line: &str| format!("{line} --access-key {access} --secret-key {secret}");
    let ls = as_ann("host ls");
    cluster.drover(&ls).await.with(2).said(&["this key sees no environment"]);
    cluster.drover("member add ann=readonly github_user:650430=owner").await.with(0);
    let listed = cluster.drover("member ls").await.with(0);
    for part in ["ann", "readonly", "github_user:650430", "owner"] {
        assert!(listed.out.contains(part), "{}", listed.out);
    }
    cluster.drover(&ls).await.with(0);
    let refused = cluster.drover(&as_ann("token create")).await.with(4);
    refused.said(&["making a registrationToken is for a member of the project"]);
    cluster.drover("member set ann=member").await.with(0);
    cluster.drover(&as_ann("token create")).await.with(0);
    cluster
        .drover(&as_ann("member add ann=owner"))
        .await
        .with(4)
        .said(&["an owner of the project"]);
    let accounts = cluster.drover("account ls").await.with(0).out;
    assert!(accounts.contains("ann") && accounts.contains("user"), "{accounts}");
    cluster.drover("account deactivate ann").await.with(0);
    cluster.drover(&ls).await.with(6);
    cluster.drover("account activate ann").await.with(0);
    cluster.drover("member rm ann").await.with(0);
    cluster.drover(&ls).await.with(2).said(&["this key sees no environment"]);
    let key = cluster.drover("account key ann").await.with(0);
    assert_ne!(exported(&key.out, "DROVER_ACCESS_KEY"), access);
    cluster.drover("account rm ann").await.with(0);
    cluster.drover(&ls).await.with(6);
    cluster.drover("account rm ann").await.with(1).said(&["there is no account `ann`"]);
    let admin = cluster.drover("account deactivate admin").await.with(4);
    admin.said(&["the last key of an administrator"]);
}

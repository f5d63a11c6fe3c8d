//! Images that are held for rollbacks: what is let go, and that what is held is enough. That an image is taken hold of shows
//! where there is a registry to pull from (`xtask/tests/e2e/revisions.rs`).

use bollard::query_parameters::{RemoveImageOptions, TagImageOptionsBuilder};

use crate::site::{IMAGE, Site, web};

#[tokio::test]
async fn a_held_image_needs_no_registry_and_goes_when_nobody_leases_it() {
    let Some(mut site) = Site::open().await else { return };
    let repository = format!("drover.kept/{}", site.assignment.cluster);
    let foreign = format!("drover.kept/x{}", site.assignment.cluster);
    let [kept, old] = ["a", "b"].map(|digit| format!("sha256-{}", digit.repeat(64)));
    let docker = site.docker.clone();
    let tag = async |repository: &str, tag: &str| {
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        docker.tag_image(IMAGE, Some(options)).await.unwrap();
    };
    tag(&repository, &old).await;
    tag(&foreign, &old).await;
    // An image that no registry has any more, and of which a prune has left this name alone.
    let digest = kept.replace('-', ":");
    let image = "localhost:1/gone:1";
    let mut spec = web();
    image.clone_into(&mut spec.image);
    site.put(1, spec);
    let template = site.assignment.templates.get_mut("7/1").unwrap();
    template.pins.insert(image.to_owned(), digest.clone());
    site.assignment.leases.insert(format!("localhost:1/gone@{digest}"));
    site.assign();

    let has = async |repository: &str, tag: &str| {
        docker.inspect_image(&format!("{repository}:{tag}")).await.is_ok()
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while has(&repository, &old).await {
        assert!(tokio::time::Instant::now() < deadline, "nobody leases it and it is held still");
        tokio::task::yield_now().await;
    }
    // Held before it is leased it could be let go: the agent's first round is about what it was told first.
    tag(&repository, &kept).await;
    site.until_ready(1).await;
    assert!(has(&repository, &kept).await, "what is leased stays");
    assert!(has(&foreign, &old).await, "so does what another cluster holds");
    let (app, version) = IMAGE.split_once(':').unwrap();
    assert!(has(app, version).await, "and the image itself");

    site.close().await;
    for name in [format!("{repository}:{kept}"), format!("{foreign}:{old}")] {
        docker.remove_image(&name, None::<RemoveImageOptions>, None).await.unwrap();
    }
}

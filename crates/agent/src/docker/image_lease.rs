//! Holding images by a tag of Drover's own, and letting go of them. Which, is decided in [`crate::image_lease`].

use std::collections::BTreeSet;

use bollard::errors::Error;
use bollard::query_parameters::{
    ListImagesOptions, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};

use super::{ANSWER, Engine, Trouble, in_time};
use crate::image_lease::{lease_steps, repository, tag};

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Leased {
    /// Images that were taken hold of.
    pub(crate) held: usize,
    /// Images that were let go.
    pub(crate) let_go: usize,
    /// Images that are leased and not on this host.
    pub(crate) absent: usize,
    /// What did not go well first.
    pub(crate) trouble: Option<Trouble>,
}

impl Engine {
    /// Hold those of these images that the host has, and no others.
    pub(crate) async fn lease_images(&self, images: &BTreeSet<String>) -> Leased {
        let repository = repository(&self.cluster);
        let listed =
            match in_time(ANSWER, self.client().list_images(None::<ListImagesOptions>)).await {
                Ok(listed) => listed,
                Err(error) => {
                    let trouble = Some(Trouble::refused("can't list the host's images", &error));
                    return Leased { trouble, ..Leased::default() };
                }
            };
        let names = listed.iter().flat_map(|image| &image.repo_tags);
        let of_ours =
            |name: &String| Some(name.strip_prefix(&repository)?.strip_prefix(':')?.to_owned());
        let tags: BTreeSet<String> = names.filter_map(of_ours).collect();
        let there: Vec<String> = listed.into_iter().flat_map(|image| image.repo_digests).collect();

        let steps = lease_steps(images, &tags, &there);
        let mut leased = Leased { absent: steps.absent, ..Leased::default() };
        for (image, tag) in &steps.hold {
            let options = TagImageOptionsBuilder::new().repo(&repository).tag(tag).build();
            match in_time(ANSWER, self.client().tag_image(image, Some(options))).await {
                Ok(()) => leased.held += 1,
                // Somebody was faster.
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                    leased.absent += 1;
                }
                Err(error) if leased.goes_on(format!("can't hold image {image}"), &error) => {}
                Err(_) => return leased,
            }
        }
        for tag in &steps.let_go {
            let name = format!("{repository}:{tag}");
            // Without force: an image that has no other name left and is in use keeps this one.
            let options = RemoveImageOptionsBuilder::new().noprune(true).build();
            match in_time(ANSWER, self.client().remove_image(&name, Some(options), None)).await {
                Ok(_) => leased.let_go += 1,
                Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => {}
                Err(error) if leased.goes_on(format!("can't let go of image {name}"), &error) => {}
                Err(_) => return leased,
            }
        }
        leased
    }

    /// The name under which the host holds an image that it no longer knows by its own, if it does.
    pub(super) async fn held_as(&self, image: &str) -> Result<Option<String>, Trouble> {
        let Some(tag) = tag(image) else { return Ok(None) };
        let name = format!("{}:{tag}", repository(&self.cluster));
        Ok(self.has_image(&name).await?.then_some(name))
    }
}

impl Leased {
    /// Note what went wrong. Whether there is any use in going on: a refusal is about one image, silence about all.
    fn goes_on(&mut self, what: String, error: &Error) -> bool {
        self.trouble.get_or_insert_with(|| Trouble::refused(what, error));
        matches!(error, Error::DockerResponseServerError { .. })
    }
}

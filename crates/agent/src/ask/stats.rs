//! What the host and containers on it use, about once a second: of containers as Docker tells, of the host as the kernel
//! does. Each frame is one [`Sample`] as JSON.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Duration;

use bollard::query_parameters::StatsOptionsBuilder;
use bytes::Bytes;
use drover_core::Sample;
use futures_util::stream::{BoxStream, select_all, unfold};
use futures_util::{Stream, StreamExt};
use tokio::time::{MissedTickBehavior, interval};

use super::Asked;
use crate::container_use;
use crate::surroundings::Surroundings;

/// Between two samples of the host; Docker's own pace for containers.
const EVERY: Duration = Duration::from_secs(1);
/// Containers that are measured for one asker: each is a connection to Docker.
const MOST: usize = 500;

impl Asked {
    /// Goes on until the asker is gone, or nothing is left to measure. A container that can't be measured is left out.
    pub(super) async fn stats(
        &self,
        host: bool,
        containers: BTreeSet<String>,
    ) -> Result<(), String> {
        let own = host.then(|| of_host(self.engine.surroundings.clone()).boxed());
        let each = containers.into_iter().take(MOST).map(|id| self.of_container(id));
        let mut samples = select_all(own.into_iter().chain(each));
        while let Some(sample) = samples.next().await {
            let frame = serde_json::to_vec(&sample).map_err(|error| error.to_string())?;
            if !self.sender.stream(self.number, Bytes::from(frame)).await {
                return Ok(());
            }
        }
        Ok(())
    }

    fn of_container(&self, id: String) -> BoxStream<'_, Sample> {
        let options = StatsOptionsBuilder::new().stream(true).build();
        let told = self.engine.client().stats(&id, Some(options));
        let sample = move |told: Result<_, bollard::errors::Error>| match told {
            Ok(told) => Some(container_use::sample(&id, &told)),
            Err(error) => {
                tracing::debug!(container = id, %error, "what it uses can't be read");
                None
            }
        };
        told.filter_map(move |told| ready(sample(told))).boxed()
    }
}

fn of_host(surroundings: Surroundings) -> impl Stream<Item = Sample> + Send {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    unfold((tick, surroundings), |(mut tick, surroundings)| async move {
        tick.tick().await;
        Some((surroundings.sample(), (tick, surroundings)))
    })
}

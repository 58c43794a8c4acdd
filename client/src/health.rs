//! Health: whether the server serves. The one call that needs no authkey.

use leaseq_proto::health::HealthCheckRequest;
use leaseq_proto::health::health_check_response::ServingStatus;
use leaseq_proto::health::health_client::HealthClient;

use crate::client::Client;
use crate::error::Result;

impl Client {
    /// Whether the server serves now: `false` while it starts, drains, or when its store has
    /// failed. `service` is the full name of a service, or empty for the server as a whole.
    pub async fn is_serving(&self, service: &str) -> Result<bool> {
        let message = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = self
            .call(|| {
                let request = self.request(message.clone());
                let mut stub = HealthClient::new(self.inner.channel.clone());
                async move { stub.check(request).await }
            })
            .await?;
        Ok(answer.status() == ServingStatus::Serving)
    }
}

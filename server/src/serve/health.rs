//! gRPC health: SERVING exactly while the shard serves.

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::shard::Condition;

/// The names that can be asked for; the empty one is the server as a whole.
const SERVICES: [&str; 3] = ["", "leaseq.v1.QueueService", "leaseq.v1.AdminService"];

/// Follows the shard. Until the first answer of the server can be sent, the status
/// is set once here: tonic-health starts with SERVING.
pub(super) async fn spawn(
    health: HealthReporter,
    mut shard: watch::Receiver<Condition>,
) -> JoinHandle<()> {
    let first = status(&shard.borrow_and_update());
    report(&health, first).await;
    tokio::spawn(async move {
        while shard.changed().await.is_ok() {
            let now = status(&shard.borrow_and_update());
            report(&health, now).await;
        }
    })
}

fn status(condition: &Condition) -> ServingStatus {
    match condition {
        Condition::Serving => ServingStatus::Serving,
        Condition::Recovering | Condition::Draining | Condition::Stopped | Condition::Failed(_) => {
            ServingStatus::NotServing
        }
    }
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

//! What masters and workers share: the connection, the ledger, the dice, and payloads that tell
//! who they are.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::ledger::Ledger;

/// The queue that everything goes through.
pub(crate) const QUEUE: &str = "crash";
/// The code of `google.rpc` for "try again".
pub(crate) const UNAVAILABLE: i32 = 14;
/// How long to wait before the next try to connect: the server is down by intention.
const RECONNECT_DELAY: Duration = Duration::from_millis(10);
/// Bytes of the job's number at the head of its payload.
const NUMBER_BYTES: usize = 8;

/// How the load is made.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) masters: u64,
    pub(crate) workers: u64,
    /// Jobs in one Put.
    pub(crate) batch: usize,
    /// Bytes of a payload.
    pub(crate) payload: usize,
    /// Puts in flight on one stream.
    pub(crate) puts: usize,
    /// Jobs put and not completed at which masters hold back.
    pub(crate) backlog: u64,
}

/// What is to be done: the load looks at it now and then.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Masters put, workers work.
    Load,
    /// Masters finish what they have begun, workers empty the queue.
    Empty,
    /// Everybody stops.
    Stop,
}

/// Shared by all masters and workers.
pub(crate) struct Load {
    pub(crate) shape: Shape,
    ledger: Mutex<Ledger>,
    phase: AtomicU8,
    /// Puts sent and not answered.
    pub(crate) puts_in_flight: AtomicI64,
    /// Jobs delivered and not settled for good.
    pub(crate) jobs_held: AtomicI64,
    endpoint: Endpoint,
    authkey: MetadataValue<Ascii>,
}

/// A client whose every call carries the key.
pub(crate) type Client = QueueServiceClient<InterceptedService<Channel, AddKey>>;

impl Load {
    pub(crate) fn new(shape: Shape, addr: &str, authkey: &str) -> Arc<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
        Arc::new(Self {
            shape,
            ledger: Mutex::default(),
            phase: AtomicU8::new(Phase::Load as u8),
            puts_in_flight: AtomicI64::new(0),
            jobs_held: AtomicI64::new(0),
            endpoint: endpoint.connect_timeout(Duration::from_secs(5)),
            authkey: authkey.parse().expect("a key of plain letters"),
        })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nobody panics with the ledger")
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    pub(crate) fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) == phase as u8
    }

    /// Whether so much waits that masters hold back.
    pub(crate) fn is_full(&self) -> bool {
        let counts = self.ledger().counts();
        counts.acknowledged.saturating_sub(counts.completed) > self.shape.backlog
    }

    /// A connection; waits while the server is down. `None` when it is time to stop.
    pub(crate) async fn connect(&self) -> Option<Client> {
        while !self.is(Phase::Stop) {
            tokio::time::sleep(RECONNECT_DELAY).await;
            if let Ok(channel) = self.endpoint.connect().await {
                let add_key = AddKey(self.authkey.clone());
                return Some(QueueServiceClient::with_interceptor(channel, add_key));
            }
        }
        None
    }
}

/// Puts the key into the metadata.
#[derive(Clone)]
pub(crate) struct AddKey(MetadataValue<Ascii>);

impl tonic::service::Interceptor for AddKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authkey", self.0.clone());
        Ok(request)
    }
}

/// Bytes that say which job this is and what all of them must be.
pub(crate) fn payload(job: u64, size: usize) -> Bytes {
    let mut bytes = job.to_le_bytes().to_vec();
    let mut dice = Dice(job);
    while bytes.len() < size {
        bytes.extend_from_slice(&dice.next().to_le_bytes());
    }
    bytes.truncate(size.max(NUMBER_BYTES));
    bytes.into()
}

/// The job whose payload this is, and whether every byte is right.
pub(crate) fn read_payload(bytes: &[u8], size: usize) -> (u64, bool) {
    let Some(number) = bytes.first_chunk::<NUMBER_BYTES>() else {
        return (u64::MAX, false);
    };
    let job = u64::from_le_bytes(*number);
    (job, payload(job, size) == bytes)
}

/// Random numbers from a seed that the report names (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below` - 1.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

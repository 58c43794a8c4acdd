//! NATS JetStream: a work-queue stream in files, a pull consumer, explicit acknowledgement.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{self, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context, Message};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::{FutureExt, StreamExt};

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::Form;
use crate::server::{Place, Spec};

pub(super) struct Nats {
    program: PathBuf,
    port: u16,
    /// Acknowledgements are answered by the server.
    answered: bool,
}

impl Nats {
    pub(super) fn new(program: PathBuf, port: u16, answered: bool) -> Self {
        Self {
            program,
            port,
            answered,
        }
    }

    async fn open(&self) -> Result<(Client, Context)> {
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", self.port)).await?;
        Ok((client.clone(), jetstream::new(client)))
    }
}

impl Peer for Nats {
    fn spec(&self, place: &Place) -> Result<Spec> {
        let file = place.dir().join("nats.conf");
        let (port, dir) = (self.port, place.dir().display());
        let text = format!("host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: \"{dir}\" }}\n");
        std::fs::write(&file, text)?;
        let args = ["-c".to_owned(), file.display().to_string()];
        Ok(Spec::new(&self.program, &args))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            let (_client, context) = self.open().await?;
            let config = stream::Config {
                name: "Q".to_owned(),
                subjects: vec!["q".to_owned()],
                retention: RetentionPolicy::WorkQueue,
                storage: StorageType::File,
                ..stream::Config::default()
            };
            let stream = context.create_stream(config).await?;
            let config = pull::Config {
                durable_name: Some("w".to_owned()),
                ack_policy: AckPolicy::Explicit,
                ack_wait: Duration::from_secs(120),
                max_ack_pending: 100_000,
                ..pull::Config::default()
            };
            stream.create_consumer(config).await?;
            Ok(())
        })
    }

    fn connect(&self, role: Role, _: usize, _: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async move {
            let (client, context) = self.open().await?;
            let messages = match role {
                Role::Master => None,
                Role::Worker(batch) => {
                    let stream = context.get_stream("Q").await?;
                    let consumer = stream.get_consumer::<pull::Config>("w").await;
                    let consumer = consumer.map_err(|error| Failure::new(error.to_string()))?;
                    let messages = consumer.stream().max_messages_per_batch(batch);
                    Some(messages.messages().await?)
                }
            };
            Ok(Box::new(Connection {
                client,
                context,
                messages,
                taken: Vec::new(),
                answered: self.answered,
            }) as Box<dyn Conn>)
        })
    }
}

struct Connection {
    client: Client,
    context: Context,
    messages: Option<pull::Stream>,
    taken: Vec<Message>,
    answered: bool,
}

impl Conn for Connection {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(jobs.len());
            for job in jobs {
                answers.push(self.context.publish("q", job).await?);
            }
            for answer in answers {
                answer.await?;
            }
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            let messages = self.messages.as_mut();
            let messages = messages.ok_or_else(|| Failure::new("a master takes nothing"))?;
            let first = tokio::time::timeout(Duration::from_secs(1), messages.next()).await;
            let first = match first {
                Err(_) => return Ok(Vec::new()),
                Ok(None) => return Err(Failure::new("the stream ended")),
                Ok(Some(message)) => message?,
            };
            let mut jobs = vec![first.payload.clone()];
            self.taken.push(first);
            while jobs.len() < most
                && let Some(Some(message)) = messages.next().now_or_never()
            {
                let message = message?;
                jobs.push(message.payload.clone());
                self.taken.push(message);
            }
            Ok(jobs)
        })
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            let taken = std::mem::take(&mut self.taken);
            if !self.answered {
                for message in taken {
                    let acked = message.ack().await;
                    acked.map_err(|error| Failure::new(error.to_string()))?;
                }
                return Ok(());
            }
            // A request with the client's shared inbox: lighter than `double_ack`.
            let client = &self.client;
            try_join_all(taken.into_iter().map(|message| async move {
                let subject = message.message.reply;
                let subject = subject.ok_or_else(|| Failure::new("no reply subject"))?;
                client.request(subject, Bytes::from_static(b"+ACK")).await?;
                Ok::<(), Failure>(())
            }))
            .await?;
            Ok(())
        })
    }
}

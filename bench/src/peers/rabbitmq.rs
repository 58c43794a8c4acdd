//! RabbitMQ: a quorum queue, publisher confirms, manual acknowledgement. The server does not
//! answer acknowledgements.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::Form;
use crate::port::free_port;
use crate::server::{Place, Spec, find_program};

/// Deliveries on their way to a worker, in batches: one that is handled and one that comes.
const BATCHES_AHEAD: usize = 2;

pub(super) struct Rabbit {
    program: PathBuf,
    port: u16,
    epmd_port: u16,
    dist_port: u16,
    /// Erlang's port mapper. Ours, in the foreground, so that it ends with us.
    epmd: Mutex<Option<std::process::Child>>,
}

impl Rabbit {
    pub(super) fn new(program: PathBuf, port: u16) -> Result<Self> {
        Ok(Self {
            program,
            port,
            epmd_port: free_port(),
            dist_port: free_port(),
            epmd: Mutex::new(None),
        })
    }

    fn start_epmd(&self) -> Result<()> {
        let epmd = find_program("epmd", &[]);
        let epmd = epmd.ok_or_else(|| Failure::new("Erlang's epmd is missing"))?;
        let port = self.epmd_port.to_string();
        let spec = Spec::new(epmd, &["-port", &port, "-address", "127.0.0.1"]);
        let child = spec.command().spawn()?;
        *self.epmd.lock().map_err(|_| Failure::new("epmd"))? = Some(child);
        Ok(())
    }

    async fn open(&self) -> Result<(Connection, Channel)> {
        let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port);
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        if let Ok(Some(mut epmd)) = self.epmd.lock().map(|mut epmd| epmd.take()) {
            let _ = epmd.kill();
            let _ = epmd.wait();
        }
    }
}

impl Peer for Rabbit {
    fn spec(&self, place: &Place) -> Result<Spec> {
        self.start_epmd()?;
        let dir = place.dir().display();
        let file = place.dir().join("rabbitmq.conf");
        let text = format!(
            "listeners.tcp.default = 127.0.0.1:{}\nvm_memory_high_watermark.absolute = 8GB\n\
             disk_free_limit.absolute = 1GB\n",
            self.port
        );
        std::fs::write(&file, text)?;
        let none: [&str; 0] = [];
        Ok(Spec::new(&self.program, &none)
            .env("RABBITMQ_NODENAME", "bench@localhost")
            .env("RABBITMQ_MNESIA_BASE", format!("{dir}/mnesia"))
            .env("RABBITMQ_LOG_BASE", format!("{dir}/log"))
            .env("RABBITMQ_CONFIG_FILE", file.display())
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{dir}/plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", format!("{dir}/none"))
            .env("RABBITMQ_DIST_PORT", self.dist_port)
            .env("HOME", dir)
            .env("ERL_EPMD_PORT", self.epmd_port)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            ))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            let (_connection, channel) = self.open().await?;
            let mut args = FieldTable::default();
            args.insert(
                "x-queue-type".into(),
                AMQPValue::LongString("quorum".into()),
            );
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            channel.queue_declare("q".into(), options, args).await?;
            Ok(())
        })
    }

    fn connect(&self, role: Role, _: usize, _: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async move {
            let (connection, channel) = self.open().await?;
            let consumer = match role {
                Role::Master => {
                    channel
                        .confirm_select(ConfirmSelectOptions::default())
                        .await?;
                    None
                }
                Role::Worker(batch) => {
                    let ahead = match batch {
                        1 => 1,
                        _ => u16::try_from(batch * BATCHES_AHEAD)?,
                    };
                    channel.basic_qos(ahead, BasicQosOptions::default()).await?;
                    let options = BasicConsumeOptions::default();
                    let args = FieldTable::default();
                    Some(
                        channel
                            .basic_consume("q".into(), "".into(), options, args)
                            .await?,
                    )
                }
            };
            Ok(Box::new(Connected {
                _connection: connection,
                channel,
                consumer,
                last: None,
            }) as Box<dyn Conn>)
        })
    }
}

struct Connected {
    // Closed when it is dropped.
    _connection: Connection,
    channel: Channel,
    consumer: Option<Consumer>,
    last: Option<u64>,
}

impl Conn for Connected {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            let persistent = BasicProperties::default().with_delivery_mode(2);
            let mut confirms = Vec::with_capacity(jobs.len());
            for job in &jobs {
                let options = BasicPublishOptions::default();
                let properties = persistent.clone();
                let publish =
                    self.channel
                        .basic_publish("".into(), "q".into(), options, job, properties);
                confirms.push(publish.await?);
            }
            for confirm in confirms {
                if confirm.await?.is_nack() {
                    return Err(Failure::new("a publish was refused"));
                }
            }
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            let consumer = self.consumer.as_mut();
            let consumer = consumer.ok_or_else(|| Failure::new("a master takes nothing"))?;
            let first = tokio::time::timeout(Duration::from_secs(1), consumer.next()).await;
            let first = match first {
                Err(_) => return Ok(Vec::new()),
                Ok(None) => return Err(Failure::new("the consumer ended")),
                Ok(Some(delivery)) => delivery?,
            };
            self.last = Some(first.delivery_tag);
            let mut jobs = vec![Bytes::from(first.data)];
            while jobs.len() < most
                && let Some(Some(delivery)) = consumer.next().now_or_never()
            {
                let delivery = delivery?;
                self.last = Some(delivery.delivery_tag);
                jobs.push(Bytes::from(delivery.data));
            }
            Ok(jobs)
        })
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            if let Some(tag) = self.last.take() {
                let options = BasicAckOptions { multiple: true };
                self.channel.basic_ack(tag, options).await?;
            }
            Ok(())
        })
    }
}

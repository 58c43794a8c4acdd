//! Redis as a queue, in two idioms: a list (LPUSH, BLMOVE to a list of the worker, DEL or LREM),
//! and a stream (XADD, XREADGROUP, XACK with XDEL).

use std::path::PathBuf;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value};

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::Form;
use crate::server::{Place, Spec};

pub(super) struct Redis {
    program: PathBuf,
    port: u16,
    stream: bool,
    /// When the append-only file is synced; `None`: there is none.
    aof: Option<&'static str>,
}

impl Redis {
    pub(super) fn new(program: PathBuf, port: u16, name: &str) -> Option<Self> {
        let (stream, aof) = match name {
            "redis-always" => (false, Some("always")),
            "redis-everysec" => (false, Some("everysec")),
            "redis-off" => (false, None),
            "redis-stream-always" => (true, Some("always")),
            "redis-stream-everysec" => (true, Some("everysec")),
            _ => return None,
        };
        Some(Self {
            program,
            port,
            stream,
            aof,
        })
    }

    async fn open(&self) -> Result<MultiplexedConnection> {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        Ok(client
            .get_multiplexed_async_connection_with_config(&config)
            .await?)
    }
}

impl Peer for Redis {
    fn spec(&self, place: &Place) -> Result<Spec> {
        let port = self.port.to_string();
        let dir = place.dir().display().to_string();
        let mut args = vec![
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--dir",
            &dir,
            "--save",
            "",
        ];
        args.extend(match self.aof {
            None => ["--appendonly", "no"].as_slice(),
            Some(_) => &["--appendonly", "yes", "--appendfsync"],
        });
        args.extend(self.aof);
        Ok(Spec::new(&self.program, &args))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut connection = self.open().await?;
            if self.stream {
                let mut group = redis::cmd("XGROUP");
                group.arg(&["CREATE", "q", "g", "0", "MKSTREAM"]);
                let _: () = group.query_async(&mut connection).await?;
            }
            Ok(())
        })
    }

    fn connect(&self, _: Role, number: usize, form: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async move {
            let connection = self.open().await?;
            Ok(match self.stream {
                true => Box::new(Stream {
                    connection,
                    name: format!("c{number}"),
                    taken: Vec::new(),
                }) as Box<dyn Conn>,
                false => Box::new(List {
                    connection,
                    own: format!("p:{number}"),
                    taken: Vec::new(),
                    variadic: matches!(form, Form::Batch(_)),
                }),
            })
        })
    }
}

struct List {
    connection: MultiplexedConnection,
    /// The list that holds what this worker has taken.
    own: String,
    taken: Vec<Bytes>,
    /// Many jobs in one LPUSH, not an LPUSH each.
    variadic: bool,
}

impl List {
    fn add_ack(&mut self, pipe: &mut Pipeline) {
        match self.taken.as_slice() {
            [] => {}
            [one] => {
                pipe.cmd("LREM")
                    .arg(&self.own)
                    .arg(1)
                    .arg(&one[..])
                    .ignore();
            }
            _ => {
                pipe.cmd("DEL").arg(&self.own).ignore();
            }
        }
        self.taken.clear();
    }

    async fn take_waiting(&mut self) -> Result<Vec<Bytes>> {
        let mut command = redis::cmd("BLMOVE");
        command
            .arg("q")
            .arg(&self.own)
            .arg("RIGHT")
            .arg("LEFT")
            .arg("1");
        let job: Option<Vec<u8>> = command.query_async(&mut self.connection).await?;
        self.taken = job.into_iter().map(Bytes::from).collect();
        Ok(self.taken.clone())
    }

    async fn take_many(&mut self, most: usize) -> Result<Vec<Bytes>> {
        let mut pipe = redis::pipe();
        self.add_ack(&mut pipe);
        for _ in 0..most {
            pipe.cmd("LMOVE")
                .arg("q")
                .arg(&self.own)
                .arg("RIGHT")
                .arg("LEFT");
        }
        let found: Vec<Option<Vec<u8>>> = pipe.query_async(&mut self.connection).await?;
        let jobs: Vec<Bytes> = found.into_iter().flatten().map(Bytes::from).collect();
        if jobs.is_empty() {
            return self.take_waiting().await;
        }
        self.taken.clone_from(&jobs);
        Ok(jobs)
    }
}

impl Conn for List {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut pipe = redis::pipe();
            let each = if self.variadic { jobs.len() } else { 1 };
            for jobs in jobs.chunks(each) {
                pipe.cmd("LPUSH").arg("q");
                for job in jobs {
                    pipe.arg(&job[..]);
                }
                pipe.ignore();
            }
            let _: () = pipe.query_async(&mut self.connection).await?;
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            match most {
                1 => self.take_waiting().await,
                _ => self.take_many(most).await,
            }
        })
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut pipe = redis::pipe();
            self.add_ack(&mut pipe);
            let _: () = pipe.query_async(&mut self.connection).await?;
            Ok(())
        })
    }

    fn ack_take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            if most == 1 {
                self.ack().await?;
            }
            self.take(most).await
        })
    }
}

struct Stream {
    connection: MultiplexedConnection,
    name: String,
    taken: Vec<Vec<u8>>,
}

impl Stream {
    fn add_ack(&mut self, pipe: &mut Pipeline) {
        if self.taken.is_empty() {
            return;
        }
        pipe.cmd("XACK").arg("q").arg("g").arg(&self.taken).ignore();
        pipe.cmd("XDEL").arg("q").arg(&self.taken).ignore();
        self.taken.clear();
    }

    async fn read(&mut self, mut pipe: Pipeline, most: usize) -> Result<Vec<Bytes>> {
        pipe.cmd("XREADGROUP").arg("GROUP").arg("g").arg(&self.name);
        pipe.arg("COUNT").arg(most).arg("BLOCK").arg(1000);
        pipe.arg("STREAMS").arg("q").arg(">");
        let mut answers: Vec<Value> = pipe.query_async(&mut self.connection).await?;
        let (jobs, ids) = entries(answers.pop().unwrap_or(Value::Nil))?;
        self.taken = ids;
        Ok(jobs)
    }
}

/// Payloads and ids of what XREADGROUP has read.
fn entries(answer: Value) -> Result<(Vec<Bytes>, Vec<Vec<u8>>)> {
    let streams = match answer {
        Value::Array(streams) => streams,
        Value::Nil => Vec::new(),
        other => return Err(Failure::new(format!("XREADGROUP: {other:?}"))),
    };
    let last = |value: Value| match value {
        Value::Array(mut values) => values.pop(),
        _ => None,
    };
    let (mut jobs, mut ids) = (Vec::new(), Vec::new());
    for stream in streams {
        let Some(Value::Array(entries)) = last(stream) else {
            continue;
        };
        for entry in entries {
            let Value::Array(mut entry) = entry else {
                continue;
            };
            let (fields, id) = (entry.pop().and_then(last), entry.pop());
            if let (Some(Value::BulkString(job)), Some(Value::BulkString(id))) = (fields, id) {
                jobs.push(Bytes::from(job));
                ids.push(id);
            }
        }
    }
    Ok((jobs, ids))
}

impl Conn for Stream {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut pipe = redis::pipe();
            for job in &jobs {
                pipe.cmd("XADD")
                    .arg("q")
                    .arg("*")
                    .arg("d")
                    .arg(&job[..])
                    .ignore();
            }
            let _: () = pipe.query_async(&mut self.connection).await?;
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(self.read(redis::pipe(), most))
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            let mut pipe = redis::pipe();
            self.add_ack(&mut pipe);
            let _: () = pipe.query_async(&mut self.connection).await?;
            Ok(())
        })
    }

    fn ack_take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            if most == 1 {
                self.ack().await?;
                return self.take(1).await;
            }
            let mut pipe = redis::pipe();
            self.add_ack(&mut pipe);
            self.read(pipe, most).await
        })
    }
}

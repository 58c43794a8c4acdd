//! beanstalkd's text protocol over one TCP connection. It has no batches, so commands are
//! pipelined: written together, their answers read in order.

use std::io::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::Form;
use crate::server::{Place, Spec};

/// It reads one command at a time, and was fastest with so many written together.
const DEPTH: usize = 16;

/// Its default is below 64 KiB.
const JOB_BYTES_MAX: usize = 1 << 20;

pub(super) struct Beanstalkd {
    program: PathBuf,
    port: u16,
    /// A log that is synced for each put and each delete.
    synced: bool,
}

impl Beanstalkd {
    pub(super) fn new(program: PathBuf, port: u16, synced: bool) -> Self {
        Self {
            program,
            port,
            synced,
        }
    }
}

impl Peer for Beanstalkd {
    fn spec(&self, place: &Place) -> Result<Spec> {
        let mut args = format!("-l 127.0.0.1 -p {} -z {JOB_BYTES_MAX}", self.port);
        if self.synced {
            args = format!("{args} -f0 -b {}", place.dir().display());
        }
        let args: Vec<&str> = args.split(' ').collect();
        Ok(Spec::new(&self.program, &args))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        // A fresh server has an empty queue.
        Box::pin(async { Ok(()) })
    }

    fn connect(&self, _: Role, _: usize, _: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async move {
            let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
            socket.set_nodelay(true)?;
            let (reader, writer) = socket.into_split();
            Ok(Box::new(Connection {
                reader: BufReader::with_capacity(64 * 1024, reader),
                writer,
                out: Vec::new(),
                line: Vec::new(),
                reserved: Vec::new(),
            }) as Box<dyn Conn>)
        })
    }

    fn form(&self, form: Form) -> Form {
        match form {
            Form::Call => Form::Call,
            Form::Stream(jobs) => Form::Stream(jobs.min(DEPTH)),
            Form::Batch(jobs) => Form::Batch(jobs.min(DEPTH)),
        }
    }
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    out: Vec<u8>,
    line: Vec<u8>,
    reserved: Vec<u64>,
}

impl Connection {
    async fn send(&mut self) -> Result<()> {
        self.writer.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    async fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        self.reader.read_until(b'\n', &mut self.line).await?;
        let line = self.line.strip_suffix(b"\r\n");
        let line = line.ok_or_else(|| Failure::new("the connection was closed"))?;
        Ok(std::str::from_utf8(line)?)
    }

    async fn expect(&mut self, what: &str) -> Result<()> {
        let line = self.read_line().await?;
        match line.starts_with(what) {
            true => Ok(()),
            false => Err(Failure::new(format!("{what} was expected: {line}"))),
        }
    }

    fn write_deletes(&mut self) -> usize {
        for id in &self.reserved {
            let _ = write!(self.out, "delete {id}\r\n");
        }
        let deletes = self.reserved.len();
        self.reserved.clear();
        deletes
    }

    async fn read_deleted(&mut self, deletes: usize) -> Result<()> {
        for _ in 0..deletes {
            self.expect("DELETED").await?;
        }
        Ok(())
    }

    /// One that waits, and others that do not.
    fn write_reserves(&mut self, most: usize) {
        self.out.extend_from_slice(b"reserve-with-timeout 1\r\n");
        for _ in 1..most {
            self.out.extend_from_slice(b"reserve-with-timeout 0\r\n");
        }
    }

    async fn read_reserved(&mut self, most: usize) -> Result<Vec<Bytes>> {
        let mut jobs = Vec::with_capacity(most);
        for _ in 0..most {
            let line = self.read_line().await?;
            if line == "TIMED_OUT" {
                continue;
            }
            let mut words = line.split(' ');
            let mut number = || words.next()?.parse::<u64>().ok();
            let (None, Some(id), Some(bytes)) = (number(), number(), number()) else {
                return Err(Failure::new(format!("RESERVED was expected: {line}")));
            };
            let mut body = vec![0; usize::try_from(bytes)? + 2];
            self.reader.read_exact(&mut body).await?;
            body.truncate(body.len() - 2);
            self.reserved.push(id);
            jobs.push(Bytes::from(body));
        }
        Ok(jobs)
    }
}

impl Conn for Connection {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            for job in &jobs {
                let _ = write!(self.out, "put 1000 0 120 {}\r\n", job.len());
                self.out.extend_from_slice(job);
                self.out.extend_from_slice(b"\r\n");
            }
            self.send().await?;
            for _ in 0..jobs.len() {
                self.expect("INSERTED ").await?;
            }
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            self.write_reserves(most);
            self.send().await?;
            self.read_reserved(most).await
        })
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            let deletes = self.write_deletes();
            self.send().await?;
            self.read_deleted(deletes).await
        })
    }

    fn ack_take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            if most == 1 {
                self.ack().await?;
                return self.take(1).await;
            }
            let deletes = self.write_deletes();
            self.write_reserves(most);
            self.send().await?;
            self.read_deleted(deletes).await?;
            self.read_reserved(most).await
        })
    }
}

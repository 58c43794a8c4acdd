//! PostgreSQL with SKIP LOCKED and synchronous commit, in two idioms: the lease is an open
//! transaction (`DELETE ... RETURNING`, then COMMIT), or a column with the end of the lease.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::Form;
use crate::server::{Place, Spec, user_ids};

/// The user that the server runs as: it refuses to be root.
const USER: &str = "postgres";
/// Between two looks at an empty table.
const LOOK: Duration = Duration::from_millis(1);

const SETTINGS: &str = "listen_addresses='127.0.0.1'
unix_socket_directories=''
max_connections=200
shared_buffers=1GB
max_wal_size=4GB
autovacuum_naptime=5s
synchronous_commit=on
";

pub(super) struct Postgres {
    program: PathBuf,
    port: u16,
    transaction: bool,
}

impl Postgres {
    pub(super) fn new(program: PathBuf, port: u16, transaction: bool) -> Self {
        Self {
            program,
            port,
            transaction,
        }
    }

    async fn open(&self) -> Result<Client> {
        let url = format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres",
            self.port
        );
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Peer for Postgres {
    fn spec(&self, place: &Place) -> Result<Spec> {
        let dir = place.dir().join("db");
        std::fs::create_dir(&dir)?;
        if let Some((uid, gid)) = user_ids(USER) {
            chown(place.dir(), Some(uid), Some(gid))?;
            chown(&dir, Some(uid), Some(gid))?;
        }
        let data = dir.display().to_string();
        let args = ["-D", &data, "-A", "trust", "-U", "postgres"];
        let initdb = Spec::new(self.program.with_file_name("initdb"), &args).user(USER);
        let made = initdb.command().current_dir(&dir).output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(Failure::new(format!("initdb: {said}")));
        }
        let file = dir.join("postgresql.conf");
        let settings = std::fs::read_to_string(&file)?;
        let port = self.port;
        std::fs::write(&file, format!("{settings}\n{SETTINGS}port={port}\n"))?;
        Ok(Spec::new(&self.program, &["-D", &data]).user(USER))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            let client = self.open().await?;
            // With a transaction as the lease nothing is marked: the primary key is enough.
            client
                .batch_execute(match self.transaction {
                    true => {
                        "CREATE TABLE jobs (
                           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                           payload bytea NOT NULL);"
                    }
                    false => {
                        "CREATE TABLE jobs (
                           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                           leased_until timestamptz,
                           payload bytea NOT NULL);
                         CREATE INDEX jobs_ready ON jobs (id) WHERE leased_until IS NULL;"
                    }
                })
                .await?;
            Ok(())
        })
    }

    fn connect(&self, _: Role, _: usize, _: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async move {
            let client = self.open().await?;
            let take = match self.transaction {
                true => {
                    "DELETE FROM jobs WHERE id = ANY (ARRAY(
                       SELECT id FROM jobs ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
                     RETURNING id, payload"
                }
                false => {
                    "UPDATE jobs SET leased_until = now() + interval '2 minutes'
                     WHERE id = ANY (ARRAY(
                       SELECT id FROM jobs WHERE leased_until IS NULL
                       ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
                     RETURNING id, payload"
                }
            };
            let put_one = "INSERT INTO jobs (payload) VALUES ($1)";
            let put_many = "INSERT INTO jobs (payload) SELECT unnest($1::bytea[])";
            let delete = "DELETE FROM jobs WHERE id = ANY ($1)";
            Ok(Box::new(Connection {
                put_one: client.prepare(put_one).await?,
                put_many: client.prepare(put_many).await?,
                take: client.prepare(take).await?,
                delete: client.prepare(delete).await?,
                client,
                transaction: self.transaction,
                open: false,
                leased: Vec::new(),
            }) as Box<dyn Conn>)
        })
    }

    fn form(&self, form: Form) -> Form {
        match form {
            // Its way to have many on their way is a statement with many rows.
            Form::Stream(_) => Form::Call,
            other => other,
        }
    }
}

struct Connection {
    client: Client,
    put_one: Statement,
    put_many: Statement,
    take: Statement,
    delete: Statement,
    transaction: bool,
    open: bool,
    leased: Vec<i64>,
}

impl Connection {
    async fn take_rows(&mut self, most: i64) -> Result<Vec<Row>> {
        if !self.transaction || self.open {
            return Ok(self.client.query(&self.take, &[&most]).await?);
        }
        // Both statements travel together.
        let params: [&(dyn ToSql + Sync); 1] = [&most];
        let (begun, rows) = tokio::join!(
            biased;
            self.client.batch_execute("BEGIN"),
            self.client.query(&self.take, &params)
        );
        begun?;
        self.open = true;
        Ok(rows?)
    }

    async fn commit(&mut self) -> Result<()> {
        if self.open {
            self.client.batch_execute("COMMIT").await?;
            self.open = false;
        }
        Ok(())
    }
}

impl Conn for Connection {
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()> {
        Box::pin(async move {
            match jobs.as_slice() {
                [job] => self.client.execute(&self.put_one, &[&&job[..]]).await?,
                jobs => {
                    let jobs: Vec<&[u8]> = jobs.iter().map(|job| &job[..]).collect();
                    self.client.execute(&self.put_many, &[&jobs]).await?
                }
            };
            Ok(())
        })
    }

    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            let most = i64::try_from(most)?;
            let end = Instant::now() + Duration::from_secs(1);
            while Instant::now() < end {
                let rows = self.take_rows(most).await?;
                if !rows.is_empty() {
                    self.leased = rows.iter().map(|row| row.get(0)).collect();
                    let payload = |row: &Row| Bytes::copy_from_slice(row.get(1));
                    return Ok(rows.iter().map(payload).collect());
                }
                self.commit().await?;
                tokio::time::sleep(LOOK).await;
            }
            Ok(Vec::new())
        })
    }

    fn ack(&mut self) -> Fut<'_, ()> {
        Box::pin(async move {
            if self.transaction {
                self.commit().await?;
            } else if !self.leased.is_empty() {
                self.client.execute(&self.delete, &[&self.leased]).await?;
            }
            self.leased.clear();
            Ok(())
        })
    }
}

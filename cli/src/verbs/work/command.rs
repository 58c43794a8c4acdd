//! One job, run by a program: the payload on its stdin, the result from its stdout, the verdict
//! from its exit code.

use std::ffi::OsString;
use std::future::Future;
use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::platform;

/// The job is complete; stdout is its result.
const COMPLETE: i32 = 0;
/// `EX_DATAERR` of sysexits.h: the job can never succeed.
const REJECT: i32 = 65;
/// `EX_TEMPFAIL` of sysexits.h: not now; the attempt is not counted.
const RELEASE: i32 = 75;

/// A released job comes back after this much: at once would be a tight loop.
const RELEASE_DELAY: Duration = Duration::from_secs(1);

/// How much of stderr is kept for the error of a failed job.
const ERROR_BYTES_MAX: usize = 1024;

/// What became of the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Complete(Bytes),
    Fail(String),
    Reject(String),
    Release(Duration),
    /// The program itself cannot be started: no job is to blame.
    Broken(String),
}

/// The program and its arguments.
#[derive(Clone, Debug)]
pub(super) struct JobCommand {
    program: OsString,
    args: Vec<OsString>,
    result_bytes_max: u64,
}

/// What the program gets.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) payload: Bytes,
    /// Environment variables that say which job it is.
    pub(super) environment: Vec<(&'static str, String)>,
}

impl JobCommand {
    /// The first word is the program.
    pub(super) fn new(words: &[OsString], result_bytes_max: u64) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self {
            program: program.clone(),
            args: args.to_vec(),
            result_bytes_max,
        })
    }

    /// Runs the program on one job. When `stop` comes first, the program is killed and the run
    /// counts as failed for the reason that `stop` gives.
    pub(super) async fn run(&self, input: Input, stop: impl Future<Output = String>) -> Verdict {
        let mut child = match self.spawn(&input) {
            Ok(child) => child,
            Err(verdict) => return verdict,
        };
        let exchange = exchange(&mut child, input.payload, self.result_bytes_max);
        let done = tokio::select! {
            done = exchange => done,
            why = stop => {
                // Dropping the handle kills as well; this one waits until it is over.
                let _ = child.kill().await;
                return Verdict::Fail(why);
            }
        };
        match done {
            Ok(done) => done.verdict(self.result_bytes_max),
            Err(error) => {
                let _ = child.kill().await;
                Verdict::Fail(format!("cannot talk to the command: {error}"))
            }
        }
    }

    fn spawn(&self, input: &Input) -> Result<Child, Verdict> {
        let args = self.args_for(&input.payload).map_err(Verdict::Fail)?;
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .envs(input.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        platform::shield_from_terminal(&mut command);
        command.spawn().map_err(|error| {
            let why = format!("cannot run {}: {error}", self.program.display());
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied => Verdict::Broken(why),
                // A payload too long for an argument, too many processes: this job, this moment.
                _ => Verdict::Fail(why),
            }
        })
    }

    /// The arguments with `{}` replaced by the payload.
    fn args_for(&self, payload: &[u8]) -> Result<Vec<OsString>, String> {
        let filled = self.args.iter().map(|arg| match arg.to_str() {
            Some(text) if text.contains("{}") => match std::str::from_utf8(payload) {
                Ok(payload) if !payload.contains('\0') => Ok(text.replace("{}", payload).into()),
                _ => Err("the payload is not text and cannot stand for {}".to_owned()),
            },
            _ => Ok(arg.clone()),
        });
        filled.collect()
    }
}

/// The program has ended.
struct Done {
    status: ExitStatus,
    result: Vec<u8>,
    errors: Vec<u8>,
}

impl Done {
    fn verdict(self, result_bytes_max: u64) -> Verdict {
        match self.status.code() {
            Some(COMPLETE) if self.result.len() as u64 > result_bytes_max => Verdict::Fail(
                format!("the result is larger than the server allows ({result_bytes_max} bytes)"),
            ),
            Some(COMPLETE) => Verdict::Complete(self.result.into()),
            Some(REJECT) => Verdict::Reject(self.error()),
            Some(RELEASE) => Verdict::Release(RELEASE_DELAY),
            _ => Verdict::Fail(self.error()),
        }
    }

    /// How it ended, and the last that it said.
    fn error(&self) -> String {
        let end = match (self.status.code(), platform::signal_of(self.status)) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "ended without an exit code".to_owned(),
        };
        let said = String::from_utf8_lossy(&self.errors);
        match said.trim() {
            "" => end,
            said => format!("{end}: {said}"),
        }
    }
}

/// Gives the payload in and takes everything out at the same time: a program may do these in any
/// order, and need not read its input at all.
async fn exchange(
    child: &mut Child,
    payload: Bytes,
    result_bytes_max: u64,
) -> std::io::Result<Done> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let give = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read is none of our business.
            let _ = stdin.write_all(&payload).await;
        }
    };
    let take_result = async move {
        let mut result = Vec::new();
        if let Some(mut stdout) = stdout {
            // One byte more than allowed tells that there was too much; the rest is passed over so
            // that the program can end.
            (&mut stdout)
                .take(result_bytes_max + 1)
                .read_to_end(&mut result)
                .await?;
            tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
        }
        Ok::<_, std::io::Error>(result)
    };
    let ((), result, errors) = tokio::join!(give, take_result, take_errors(stderr));
    let status = child.wait().await?;
    Ok(Done {
        status,
        result: result?,
        errors: errors?,
    })
}

/// Passes stderr on to ours and keeps its end.
async fn take_errors(stderr: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stderr) = stderr else {
        return Ok(kept);
    };
    let mut ours = tokio::io::stderr();
    let mut chunk = vec![0; 4096];
    loop {
        let count = stderr.read(&mut chunk).await?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else {
            return Ok(kept);
        };
        let _ = ours.write_all(read).await;
        kept.extend_from_slice(read);
        let surplus = kept.len().saturating_sub(ERROR_BYTES_MAX);
        kept.drain(..surplus);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> JobCommand {
        let words = ["sh", "-c", script].map(OsString::from);
        JobCommand::new(&words, 16).unwrap()
    }

    async fn check(command: &JobCommand, payload: &str, verdict: Verdict) {
        let input = Input {
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            environment: vec![("LEASEQ_ATTEMPT", "2".to_owned())],
        };
        let found = command.run(input, std::future::pending()).await;
        assert_eq!(found, verdict);
    }

    #[tokio::test]
    async fn exit_codes_are_verdicts() {
        let fail = |text: &str| Verdict::Fail(text.to_owned());
        check(&shell("cat"), "hi", Verdict::Complete("hi".into())).await;
        check(&shell("exit 1"), "", fail("exit code 1")).await;
        check(&shell("echo no >&2; exit 3"), "", fail("exit code 3: no")).await;
        check(
            &shell("exit 65"),
            "",
            Verdict::Reject("exit code 65".to_owned()),
        )
        .await;
        check(&shell("exit 75"), "", Verdict::Release(RELEASE_DELAY)).await;
        check(&shell("kill -9 $$"), "", fail("killed by signal 9")).await;
    }

    #[tokio::test]
    async fn a_job_is_known_by_its_environment_and_arguments() {
        let done = |text: &'static str| Verdict::Complete(text.into());
        check(&shell("printf $LEASEQ_ATTEMPT"), "", done("2")).await;
        let words = ["printf", "<%s>", "{}"].map(OsString::from);
        let command = JobCommand::new(&words, 16).unwrap();
        check(&command, "a b", done("<a b>")).await;
    }

    #[tokio::test]
    async fn a_program_need_not_read_its_payload() {
        let large = "x".repeat(1 << 20);
        check(&shell("printf ok"), &large, Verdict::Complete("ok".into())).await;
    }

    #[tokio::test]
    async fn a_result_over_the_limit_fails_the_job() {
        let script = "head -c 17 /dev/zero";
        let why = "the result is larger than the server allows (16 bytes)";
        check(&shell(script), "", Verdict::Fail(why.to_owned())).await;
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_no_fault_of_the_job() {
        let command = JobCommand::new(&["/no/such/program".into()], 16).unwrap();
        let input = Input {
            payload: Bytes::new(),
            environment: Vec::new(),
        };
        let verdict = command.run(input, std::future::pending()).await;
        assert!(matches!(verdict, Verdict::Broken(why) if why.contains("/no/such/program")));
    }

    #[tokio::test]
    async fn a_stopped_run_kills_the_program() {
        let input = Input {
            payload: Bytes::new(),
            environment: Vec::new(),
        };
        let stop = std::future::ready("cancelled".to_owned());
        let verdict = shell("sleep 1000").run(input, stop).await;
        assert_eq!(verdict, Verdict::Fail("cancelled".to_owned()));
    }
}

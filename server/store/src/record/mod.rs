//! Transitions as bytes: each is a tag, the length of its body and the body, which
//! is its fields one after the other. docs/STORAGE.md, section "Transitions",
//! shows every byte.
//!
//! What a job carries is not here: the contents of a batch have a section of their
//! own, so that a restart need not read them. Their sizes are here.
//!
//! Decoding trusts nothing. Whatever the bytes are, it answers with a transition
//! or with what is wrong and where; it does not panic, and it sets aside no more
//! memory than the bytes, or [`JOBS_MAX`], can account for.

use leaseq_engine::transition::Transition;

mod earlier;
mod error;
mod field;
mod id;
mod job;
mod lease;
mod outcome;
mod put;
mod queue;
mod reader;
mod run;
mod settings;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

pub(crate) use error::DecodeError;
use error::Fault;
use field::{Field, write_varint};
pub(crate) use reader::Reader;

/// The most jobs one transition may speak of. A run of jobs takes three bytes
/// however long it is, so this is what keeps damaged bytes from claiming all
/// memory. A call brings 10,000 jobs at most and a session holds 100,000.
pub(crate) const JOBS_MAX: usize = 1 << 20;

/// Defines `write_record` and `read_fields` from the table of records below, so
/// that both sides have the same fields in the same order. An `earlier` record is
/// read and no more written: another tag says what it said, and more.
macro_rules! records {
    (
        $($tag:literal $name:ident { $($field:ident),+ } $(without $content:ident)?;)+
        boxed $box_tag:literal $box_name:ident;
        $(earlier $old_tag:literal $old_name:ident $old:ident;)+
    ) => {
        fn write_record(transition: &Transition, out: &mut Vec<u8>) {
            match transition {
                $(Transition::$name { $($field,)+ $($content: _,)? } => {
                    let body = open(out, $tag);
                    $($field.write(out);)+
                    close(out, body);
                })+
                Transition::$box_name(boxed) => {
                    let body = open(out, $box_tag);
                    boxed.write(out);
                    close(out, body);
                }
            }
        }

        fn read_fields(tag: Tag, body: &mut Reader<'_>) -> Result<Transition, DecodeError> {
            Ok(match tag.byte {
                $($tag => Transition::$name {
                    $($field: Field::read(body)?,)+
                    $($content: Default::default(),)?
                },)+
                $box_tag => Transition::$box_name(Field::read(body)?),
                $($old_tag => earlier::$old(body)?,)+
                _ => return Err(tag.unknown()),
            })
        }

        /// The tag and the name of every record that is written.
        #[cfg(test)]
        const RECORDS: &[(u8, &str)] = &[
            $(($tag, stringify!($name)),)+
            ($box_tag, stringify!($box_name)),
        ];

        /// The tag and the name of every record that is only read.
        #[cfg(test)]
        const EARLIER: &[(u8, &str)] = &[$(($old_tag, stringify!($old_name)),)+];
    };
}

// The rule: what a released version has written, every later version reads. A tag
// is never reused and never renumbered, and the fields behind it never change: a
// record that has to say more gets a new tag, and the old one stays readable.
// The same goes for every tag, flag and usual value in this directory. Zero is
// never a tag: unwritten space in a segment is zeros.
records! {
    1 NamespaceCreated { tag, token_key };
    2 Stalled { by };
    3 QueueSet { queue, name, settings, paused, revision, create_time };
    4 QueueDeleted { queue };
    5 JobsAdded { first, queue, put_time, settings, sizes } without contents;
    6 OutcomeAdded { job, queue, put_time, settings, outcome, size } without content;
    8 LeasesGranted { first_lease, jobs, grant_time, holder, lease_duration };
    9 LeaseExtended { lease, expire_time };
    10 JobsCompleted { leases };
    11 JobEnded { job, lease, verdict, end, error, retain_until, result_size } without result;
    12 JobRequeued { job, lease, how, attempts, ready_time, error };
    13 JobsReady { jobs };
    14 CancelRequested { job, reason };
    15 JobsRemoved { jobs };
    16 JobsRestated { first, queue, put_time, settings, sizes };
    17 CountersRestated { next_job, next_lease, next_queue };
    20 ContentLost { job };
    22 JobsRequeued { leases, how, charged, error };
    24 PutRemembered { request_id, first, count, jobs, put_time };
    27 ClocksRead { time, wall, running, boot };
    boxed 26 JobRestated;
    earlier 7 PutRemembered put_remembered;
    earlier 18 JobRestated job_restated;
}

/// Appends `transition` to `meta`, all but what its jobs carry.
///
/// # Panics
/// When it speaks of more than [`JOBS_MAX`] jobs or has a number beyond what can
/// be read back: better now than at the next start.
pub(crate) fn encode(transition: &Transition, meta: &mut Vec<u8>) {
    write_record(transition, meta);
}

/// The next transition, its contents left empty.
///
/// # Errors
/// When the bytes are not what `encode` writes.
pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Transition, DecodeError> {
    let tag = Tag {
        offset: reader.offset(),
        byte: reader.byte("tag of a transition")?,
    };
    let mut body = reader.split("transition")?;
    let transition = read_fields(tag, &mut body)?;
    body.finish()?;
    Ok(transition)
}

/// The tag of a record, and where it is.
#[derive(Clone, Copy)]
struct Tag {
    offset: usize,
    byte: u8,
}

impl Tag {
    fn unknown(self) -> DecodeError {
        let what = "transition";
        let fault = Fault::UnknownTag {
            what,
            tag: self.byte,
        };
        DecodeError {
            offset: self.offset,
            fault,
        }
    }
}

/// Starts a record; answers with where its body begins.
fn open(out: &mut Vec<u8>, tag: u8) -> usize {
    out.push(tag);
    out.len()
}

/// Puts the length of the body that begins at `body` in front of it. It has to
/// move for that; most bodies are some tens of bytes.
fn close(out: &mut Vec<u8>, body: usize) {
    let end = out.len();
    write_varint((end - body) as u64, out);
    let prefix = out.len() - end;
    if let Some(record) = out.get_mut(body..) {
        record.rotate_right(prefix);
    }
}

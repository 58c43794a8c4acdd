//! Turns `proto/leaseq/v1/*.proto` and gRPC's own health.proto into Rust. No protoc is needed:
//! protox compiles the files, and the descriptor sets it makes also answer gRPC reflection.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;
use tonic_prost_build::FileDescriptorSet;

const ROOT: &str = "proto";
const PACKAGE_DIR: &str = "proto/leaseq";
const HEALTH: &str = "proto/grpc/health/v1/health.proto";
const CODEC: &str = "crate::codec::MessageCodec";

/// The messages for which proto/lib.rs has types of its own. Nothing is generated for them, also
/// not for a field that is new; a test tells if one is missing.
const BY_HAND: [&str; 8] = [
    "Complete",
    "Deliver",
    "GetResponse",
    "ItemStatus",
    "NewJob",
    "PutResponse",
    "PutStreamResponse",
    "Settlement",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // A directory stands for all that is below it: new and removed files count as changes too.
    println!("cargo::rerun-if-changed={PACKAGE_DIR}");
    println!("cargo::rerun-if-changed={HEALTH}");

    let files = proto_files(Path::new(PACKAGE_DIR).join("v1").as_path())?;
    let descriptors = compile(&files)?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out_dir.join("leaseq_descriptor.bin"), &descriptors)?;

    let mut builder = tonic_prost_build::configure();
    for name in BY_HAND {
        let path = format!("crate::v1::{name}");
        builder = builder.extern_path(format!(".leaseq.v1.{name}"), path);
    }
    builder
        .bytes(".leaseq.v1") // payloads are slices of the receive buffer, not copies of it
        .btree_map(".leaseq.v1") // no headers, the usual case, cost nothing
        .codec_path(CODEC)
        .build_transport(false) // no `connect` in the stubs: channels are leaseq-client's business
        .compile_fds(FileDescriptorSet::decode(descriptors.as_slice())?)?;

    let health = compile(&[PathBuf::from(HEALTH)])?;
    fs::write(out_dir.join("health_descriptor.bin"), &health)?;
    tonic_prost_build::configure()
        .codec_path(CODEC)
        .build_transport(false)
        .compile_fds(FileDescriptorSet::decode(health.as_slice())?)?;
    Ok(())
}

/// The `.proto` files of one directory, sorted, so that a build never depends on the disk's order.
fn proto_files(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(format!("no .proto file in {}", dir.display()).into());
    }
    files.sort();
    Ok(files)
}

/// One encoded descriptor set with imports and comments: the comments become the documentation of
/// the Rust types and are what `grpcurl describe` prints.
fn compile(files: &[PathBuf]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;
    Ok(compiler.encode_file_descriptor_set())
}

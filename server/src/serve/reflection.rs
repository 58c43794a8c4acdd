//! gRPC reflection: tools ask for the files that describe the API.
//!
//! An error is an `error_response` on the stream, which goes on, as reflection.proto has it. The
//! stream ends with the key that opened it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request as HttpRequest, Uri};
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{
    ServerReflection, ServerReflectionServer,
};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tower::Service;

use crate::api::fault::Fault;
use crate::api::status::adopted;
use crate::auth::Identity;
use crate::dispatch::Edge;

/// The one method, by its path in version 1 and in the alpha of it that older tools know. Both
/// have the same messages.
const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// The largest request: a name, which is sent back with the answer.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// The descriptor sets that tools can ask for.
const SETS: [&[u8]; 5] = [
    leaseq_proto::FILE_DESCRIPTOR_SET,
    leaseq_proto::health::FILE_DESCRIPTOR_SET,
    // The details of errors, so that tools can print them.
    tonic_types::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

pub(super) type V1Service = Edge<ServerReflectionServer<Reflection>>;

/// The service in version 1.
pub(super) fn service() -> Result<V1Service, prost::DecodeError> {
    let service = ServerReflectionServer::new(Reflection(Arc::new(Files::read()?)))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    Ok(Edge::new(service, REQUEST_BYTES_MAX, &[V1]))
}

/// The same service under the name of the alpha version.
#[derive(Clone)]
pub(super) struct Alpha(pub(super) V1Service);

impl NamedService for Alpha {
    const NAME: &'static str = "grpc.reflection.v1alpha.ServerReflection";
}

impl Service<HttpRequest<Body>> for Alpha {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <V1Service as Service<HttpRequest<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest<Body>) -> Self::Future {
        if request.uri().path() == V1ALPHA {
            *request.uri_mut() = Uri::from_static(V1);
        }
        self.0.call(request)
    }
}

/// What is described.
struct Files {
    by_name: HashMap<String, Arc<[u8]>>,
    /// The file in which each message, field, enum, enum value, service and method is.
    by_symbol: HashMap<String, Arc<[u8]>>,
    services: Vec<String>,
}

impl Files {
    fn read() -> Result<Self, prost::DecodeError> {
        let mut files = Self {
            by_name: HashMap::new(),
            by_symbol: HashMap::new(),
            services: Vec::new(),
        };
        for set in SETS {
            for file in FileDescriptorSet::decode(set)?.file {
                if !files.by_name.contains_key(file.name()) {
                    files.add(&file);
                }
            }
        }
        files.services.sort_unstable();
        Ok(files)
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        let bytes: Arc<[u8]> = file.encode_to_vec().into();
        self.by_name.insert(file.name().to_owned(), bytes.clone());
        let mut symbols = Vec::new();
        let package = file.package();
        for message in &file.message_type {
            message_symbols(package, message, &mut symbols);
        }
        for item in &file.enum_type {
            enum_symbols(package, item, &mut symbols);
        }
        for service in &file.service {
            let name = within(package, service.name());
            let methods = service.method.iter();
            symbols.extend(methods.map(|method| within(&name, method.name())));
            self.services.push(name.clone());
            symbols.push(name);
        }
        let here = symbols.into_iter().map(|symbol| (symbol, bytes.clone()));
        self.by_symbol.extend(here);
    }

    fn answer(&self, request: &MessageRequest) -> MessageResponse {
        match request {
            MessageRequest::FileByFilename(name) => file(self.by_name.get(name), "file"),
            MessageRequest::FileContainingSymbol(name) => file(self.by_symbol.get(name), "symbol"),
            // The API has no extensions.
            MessageRequest::FileContainingExtension(_) => file(None, "extension"),
            MessageRequest::AllExtensionNumbersOfType(name)
                if self.by_symbol.contains_key(name) =>
            {
                MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number: Vec::new(),
                })
            }
            MessageRequest::AllExtensionNumbersOfType(_) => file(None, "message"),
            MessageRequest::ListServices(_) => {
                let service = |name: &String| ServiceResponse { name: name.clone() };
                MessageResponse::ListServicesResponse(ListServiceResponse {
                    service: self.services.iter().map(service).collect(),
                })
            }
        }
    }
}

fn within(outer: &str, name: &str) -> String {
    match outer {
        "" => name.to_owned(),
        outer => format!("{outer}.{name}"),
    }
}

fn message_symbols(outer: &str, message: &DescriptorProto, to: &mut Vec<String>) {
    let name = within(outer, message.name());
    for nested in &message.nested_type {
        message_symbols(&name, nested, to);
    }
    for item in &message.enum_type {
        enum_symbols(&name, item, to);
    }
    to.extend(
        message
            .field
            .iter()
            .map(|field| within(&name, field.name())),
    );
    let oneofs = message.oneof_decl.iter();
    to.extend(oneofs.map(|oneof| within(&name, oneof.name())));
    to.push(name);
}

/// The values of an enum are beside it, not in it.
fn enum_symbols(outer: &str, item: &EnumDescriptorProto, to: &mut Vec<String>) {
    to.push(within(outer, item.name()));
    to.extend(item.value.iter().map(|value| within(outer, value.name())));
}

fn file(found: Option<&Arc<[u8]>>, what: &str) -> MessageResponse {
    match found {
        Some(bytes) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![bytes.to_vec()],
        }),
        None => error(Code::NotFound, format!("this server has no such {what}")),
    }
}

fn error(code: Code, error_message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code.into(),
        error_message,
    })
}

/// Answers the requests of streams.
pub(super) struct Reflection(Arc<Files>);

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Answers>, Status> {
        // None where reflection is open to everybody.
        let identity = request.extensions().get::<Identity>().cloned();
        Ok(Response::new(Answers {
            files: Arc::clone(&self.0),
            requests: Some(request.into_inner()),
            revoked: Box::pin(async move {
                match identity {
                    Some(identity) => identity.revoked().await,
                    None => std::future::pending().await,
                }
            }),
        }))
    }
}

/// The answers of one stream.
pub(super) struct Answers {
    files: Arc<Files>,
    /// `None`: the stream has ended.
    requests: Option<Streaming<ServerReflectionRequest>>,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Answers {
    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &request.message_request {
            Some(asked) => self.files.answer(asked),
            None => error(Code::InvalidArgument, "nothing is asked".to_owned()),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }
}

impl Stream for Answers {
    type Item = Result<ServerReflectionResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(requests) = &mut self.requests else {
            return Poll::Ready(None);
        };
        let asked = Pin::new(requests).poll_next(cx);
        if self.revoked.as_mut().poll(cx).is_ready() {
            self.requests = None;
            return Poll::Ready(Some(Err(Fault::Revoked.into())));
        }
        let asked = std::task::ready!(asked);
        Poll::Ready(match asked {
            Some(Ok(request)) => Some(Ok(self.answer(request))),
            Some(Err(broken)) => {
                self.requests = None;
                Some(Err(adopted(&broken, REQUEST_BYTES_MAX)))
            }
            None => None,
        })
    }
}

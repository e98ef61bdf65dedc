//! `serve_status()`: a page that shows what repeated traces say.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::permission::Permission;
use super::place::{text, wrong};
use crate::clock::now;
use crate::nearest::suggestion;
use crate::record::Row;
use crate::status::{self, Observation, Status};
use crate::trace::Trace;
use crate::web::Server;

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "serve_status",
    signature: "serve_status(options) -> page",
    group: Group::Helper,
    doc: "Serves a page with the verdicts of traces, now and over time, until the script ends: / for people, /metrics for \
          Prometheus, /report.json for programs, /healthz. Options: listen (address and port, such as \"127.0.0.1:8080\"; \
          port 0 for any), title. page.add(trace) or page.add(trace, text) adds a round with its text, \
          page.add_failure(endpoint, reason) one in which nothing could be traced; page.address is where it listens.",
    example: "let page = serve_status(#{ listen: \"127.0.0.1:0\" }); page.add(traceroute(\"127.0.0.1\", 9))",
    needs: Some(Permission::Serve),
}];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// A page that is served as long as a script has it.
#[derive(Clone)]
struct Page {
    status: Arc<Mutex<Status>>,
    server: Rc<Server>,
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Page>("page");
    let this = context.clone();
    engine.register_fn("serve_status", move |options: Map| serve(&this, &options));
    engine.register_fn("add", |page: &mut Page, trace: Row| page.add_trace(&trace, ""));
    engine.register_fn("add", |page: &mut Page, trace: Row, text: &str| page.add_trace(&trace, text));
    engine.register_fn("add_failure", |page: &mut Page, endpoint: &str, reason: &str| {
        page.add(Observation::failure(endpoint, now(), reason, reason))
    });
    engine.register_get("address", |page: &mut Page| page.server.address().to_string());
}

fn serve(context: &Context, options: &Map) -> Result<Page> {
    const OPTIONS: [&str; 2] = ["listen", "title"];
    context.require(Permission::Serve, "serve_status()")?;
    if let Some(unknown) = options.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
        let hint = suggestion(unknown, OPTIONS);
        let message = format!("serve_status() has no option `{unknown}`; there are listen and title{hint}");
        return Err(thrown(ErrorKind::Usage, message));
    }
    let Some(listen) = options.get("listen") else {
        return Err(thrown(ErrorKind::Usage, "serve_status() needs the option `listen`, such as \"127.0.0.1:8080\""));
    };
    let address: Option<SocketAddr> = text(listen).and_then(|text| text.parse().ok());
    let address = address
        .ok_or_else(|| wrong("listen", "an address of this host and a port, such as \"127.0.0.1:8080\"", listen))?;
    let title = options.get("title").map_or_else(|| "Status".to_owned(), ToString::to_string);
    let status = Arc::new(Mutex::new(Status::new(&title)));
    let server = status::serve(address, status.clone());
    let server = server.map_err(|error| thrown(ErrorKind::Observation, error.to_string()))?;
    (context.announce.borrow_mut())(&format!("serving http://{}/", server.address()));
    Ok(Page { status, server: Rc::new(server) })
}

impl Page {
    fn add_trace(&self, row: &Row, text: &str) -> Result<()> {
        let any: &dyn std::any::Any = row.as_ref();
        let Some(trace) = any.downcast_ref::<Trace>() else {
            let message = format!("a page takes what traceroute() gives, and not a {}", row.kind().name);
            return Err(thrown(ErrorKind::Usage, message));
        };
        self.add(Observation::of(trace, text))
    }

    fn add(&self, observation: Observation) -> Result<()> {
        let added = self.status.lock().unwrap_or_else(PoisonError::into_inner).add(observation);
        added.map_err(|error| thrown(ErrorKind::Usage, error.to_string()))
    }
}

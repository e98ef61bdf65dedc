//! `proxy()`: apps that are made reachable, for as long as a script wants.

mod apps;
mod options;
mod pick;
mod served;

use std::rc::Rc;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::permission::Permission;
use super::super::value::parse_duration;
use super::host::array;
use super::place::text;
use crate::proxy::ProxyError;
use crate::record::{Duration, Row, Value};
use apps::Told;
use served::Served;

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "proxy",
    signature: "proxy(apps) or proxy(apps, options) -> proxy",
    group: Group::Noun,
    doc: "Makes apps reachable on their ports, over TCP and UDP, and brings each connection to the next of their targets that \
          is up (docs/proxy.md). Apps are an array of maps with name, ports, targets and further settings, or the path of a \
          JSON file with them. With the setting pick a closure chooses: |connection, targets| gives one of the targets, its \
          place or its name. Options: threads, connections (at the same time), drain (how long they may take to end; 7s), \
          log (a file, or \"-\": a line of JSON for each connection that ended), metrics (an address and port, for \
          Prometheus), dispatch (\"kernel\": one listener for each app, \"bind\": one for each port, \"best\"). start() \
          begins, and serve() or serve(\"1h\") goes on until then, Ctrl-C or SIGTERM, drains, and gives stats(); SIGHUP reads \
          the file again. stats() is what it did so far, connections() and targets() are arrays of rows, apps() what it was \
          told. reload(apps) goes on with other apps, drain(target) or drain(target, \"10s\") brings nobody to a target any \
          more, stop() or stop(\"10s\") ends. It ends with the script, too.",
    example: "let web = proxy([#{ name: \"web\", ports: [8080, \"8100-8199\"], targets: [\"127.0.0.1:8000\"] }]);\n\
              web.apps().map(|app| app.name)",
    needs: Some(Permission::Serve),
}];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// A proxy as a script has it. It ends when the script has it no more.
#[derive(Clone)]
struct Handle(Rc<Served>);

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Handle>("proxy");
    let this = context.clone();
    engine.register_fn("proxy", move |apps: Dynamic| proxy(&this, &apps, &Map::new()));
    let this = context.clone();
    engine.register_fn("proxy", move |apps: Dynamic, options: Map| proxy(&this, &apps, &options));

    engine.register_fn("start", |proxy: &mut Handle| proxy.0.start().map(|()| proxy.clone()));
    engine.register_fn("serve", |proxy: &mut Handle| proxy.0.serve(None));
    engine.register_fn("serve", |proxy: &mut Handle, span: Duration| proxy.0.serve(Some(span)));
    engine.register_fn("serve", |proxy: &mut Handle, span: &str| proxy.0.serve(Some(parse_duration(span)?)));
    engine.register_fn("reload", |proxy: &mut Handle, apps: Dynamic| proxy.0.reload(&apps));
    engine.register_fn("drain", |proxy: &mut Handle, target: Dynamic| proxy.0.drain(&name(&target)?, None));
    engine.register_fn("drain", |proxy: &mut Handle, target: Dynamic, span: Duration| {
        proxy.0.drain(&name(&target)?, Some(span))
    });
    engine.register_fn("drain", |proxy: &mut Handle, target: Dynamic, span: &str| {
        proxy.0.drain(&name(&target)?, Some(parse_duration(span)?))
    });
    engine.register_fn("stop", |proxy: &mut Handle| proxy.0.stop(None));
    engine.register_fn("stop", |proxy: &mut Handle, span: Duration| proxy.0.stop(Some(span)));
    engine.register_fn("stop", |proxy: &mut Handle, span: &str| {
        parse_duration(span).map(|span| proxy.0.stop(Some(span)))
    });
    engine.register_fn("stats", |proxy: &mut Handle| -> Row { Arc::new(proxy.0.proxy.stats()) });
    engine.register_fn("targets", |proxy: &mut Handle| array(&proxy.0.context, proxy.0.proxy.targets()));
    engine.register_fn("connections", |proxy: &mut Handle| array(&proxy.0.context, proxy.0.proxy.connections()));
    engine.register_fn("apps", |proxy: &mut Handle| -> Array { proxy.0.told.borrow().maps.clone() });
}

fn proxy(context: &Rc<Context>, apps: &Dynamic, options: &Map) -> Result<Handle> {
    context.require(Permission::Serve, "proxy()")?;
    let settings = options::settings(context, options)?;
    Ok(Handle(Rc::new(Served::new(context, Told::read(context, "proxy()", apps)?, settings))))
}

/// The name of a target: a text, or that of a row of targets().
fn name(target: &Dynamic) -> Result<String> {
    let of_row = target.read_lock::<Row>().and_then(|row| match row.get("target") {
        Some(Value::Text(name)) => Some(name.into_owned()),
        _ => None,
    });
    of_row.or_else(|| text(target)).ok_or_else(|| {
        thrown(ErrorKind::Usage, format!("drain() takes a target such as \"a.example:5001\", and was given {target}"))
    })
}

fn proxy_error(error: &ProxyError) -> Box<EvalAltResult> {
    let kind = match error {
        ProxyError::NotRunning | ProxyError::UnknownTarget(_) => ErrorKind::Usage,
        _ => ErrorKind::Observation,
    };
    thrown(kind, error.to_string())
}

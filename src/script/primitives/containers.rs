//! Containers, and the interfaces that connect them.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, host_error, thrown};
use super::super::permission::Permission;
use crate::host::container::{Containers, Query};
use crate::nearest::suggestion;
use crate::record::{Record, Row};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "containers",
        signature: "containers() or containers(options) -> array of container",
        group: Group::Noun,
        doc: "Containers that run: those that Docker Engine and Podman tell of, those that control groups tell of, and \
              network namespaces made by ip netns. Options: all (those that do not run, too). Sockets of engines are \
              looked for where they usually are, or where DOCKER_HOST and CONTAINER_HOST say.",
        example: "containers().sort_by(\"name\").table()",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "veth_for",
        signature: "veth_for(container) -> array of veth",
        group: Group::Noun,
        doc: "The pairs of virtual interfaces that lead from a container to its host. A container is named by its name, \
              its id or the beginning of its id; a row of containers() will do, too. One that has no pairs, such as one \
              on the network of its host, gives an empty array, and why is said aside.",
        example: "veth_for(\"web\").table([\"container_interface\", \"host_interface\", \"index\", \"bridge\"])",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "container_for",
        signature: "container_for(interface) -> container or ()",
        group: Group::Noun,
        doc: "The container that an interface of this host leads to, or () if it leads to none.",
        example: "veth_for(\"web\").map(|veth| container_for(veth.host_interface).name)",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "stop_container",
        signature: "stop_container(container) -> container",
        group: Group::Noun,
        doc: "Stops a container over the API of its engine, as docker stop does: it has 10 s to end before it is killed. \
              Gives the container in the state that it is in then.",
        example: "stop_container(\"web\").state",
        needs: Some(Permission::Act),
    },
];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Registers the functions of this file.
pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("containers", move || containers(&this, false));
    let this = context.clone();
    engine.register_fn("containers", move |options: Map| containers(&this, all(&options)?));
    let this = context.clone();
    engine.register_fn("veth_for", move |name: &str| veth_for(&this, name));
    let this = context.clone();
    engine.register_fn("veth_for", move |row: Row| veth_for(&this, &id_of(&row)?));
    let this = context.clone();
    engine.register_fn("container_for", move |interface: &str| container_for(&this, interface));
    let this = context.clone();
    engine.register_fn("stop_container", move |name: &str| stop_container(&this, name));
    let this = context.clone();
    engine.register_fn("stop_container", move |row: Row| stop_container(&this, &id_of(&row)?));
}

fn containers(context: &Context, all: bool) -> Result<Array> {
    context.require(Permission::Host, "containers()")?;
    let containers = read(all);
    containers.notes().iter().for_each(|note| context.note(note));
    Ok(containers.iter().cloned().map(row).collect())
}

fn veth_for(context: &Context, name: &str) -> Result<Array> {
    context.require(Permission::Host, "veth_for()")?;
    // One that has stopped has no pairs, and that is an answer.
    let containers = read(true);
    let container = containers.find(name).map_err(|error| host_error(&error))?;
    let veths = containers.veths_of(container).map_err(|error| host_error(&error))?;
    if let Some(reason) = veths.reason {
        context.say(|out| out.note(&reason))?;
    }
    Ok(veths.pairs.into_iter().map(row).collect())
}

fn container_for(context: &Context, interface: &str) -> Result<Dynamic> {
    context.require(Permission::Host, "container_for()")?;
    let containers = read(false);
    containers.notes().iter().for_each(|note| context.note(note));
    let container = containers.of_interface(interface).map_err(|error| host_error(&error))?;
    Ok(container.cloned().map_or(Dynamic::UNIT, row))
}

fn stop_container(context: &Context, name: &str) -> Result<Dynamic> {
    context.require(Permission::Act, "stop_container()")?;
    let containers = read(true);
    let container = containers.find(name).map_err(|error| host_error(&error))?;
    container.stop().map(row).map_err(|error| host_error(&error))
}

fn read(all: bool) -> Containers {
    Containers::read(&Query { all, ..Query::default() })
}

fn row(record: impl Record + 'static) -> Dynamic {
    let row: Row = Arc::new(record);
    Dynamic::from(row)
}

/// What a row of [`containers`] is found by.
fn id_of(row: &Row) -> Result<String> {
    let id = row.get("id").filter(|_| row.kind().name == "container");
    id.map(|id| id.to_string()).ok_or_else(|| {
        thrown(ErrorKind::Usage, format!("a row of containers() is needed, and this is one of {}", row.kind().name))
    })
}

fn all(options: &Map) -> Result<bool> {
    let mut all = false;
    for (name, value) in options {
        if name != "all" {
            let message = format!("containers() has no option `{name}`; there is all{}", suggestion(name, ["all"]));
            return Err(thrown(ErrorKind::Usage, message));
        }
        all = value.as_bool().map_err(|_| {
            thrown(ErrorKind::Usage, format!("the option `all` takes true or false, and was given {value}"))
        })?;
    }
    Ok(all)
}

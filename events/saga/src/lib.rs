//! Orchestrated sagas: one piece of work over several services, each step of it durable, and undone in reverse
//! when it cannot be finished. This file only lists the modules, in reading order.
#![doc = include_str!("../README.md")]

mod action;
mod core;
mod definition;
mod id;
mod input;
mod limits;
mod registry;
mod retry;
mod runner;
mod state;
mod step;
mod timer;
mod transition;

pub use crate::core::{State, WrongDefinition};
pub use action::{Action, Command};
pub use definition::{Definition, DefinitionError, Saga};
pub use id::{CommandId, InvalidCommandId, InvalidSagaId, SagaId};
pub use input::{Input, Outcome};
pub use limits::{
    COUNTED_MAX, HISTORY_ENTRIES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, SAGA_ID_BYTES_MAX, STEPS_MAX,
};
pub use registry::{AlreadyRegistered, Registry, UnknownDefinition};
pub use retry::Retry;
pub use runner::{
    BadMessage, Builder, Call, CallFuture, Callee, Ended, OnEnd, OpenSagasError, Request, Sagas, Summary,
    Taken, UnknownTarget, Woken,
};
pub use state::{Data, Entry, ParkCause, Pending, Status, StepState, StepStatus, Stop, StopCause, What};
pub use step::{Compensation, Kind, Step};
pub use timer::Timer;

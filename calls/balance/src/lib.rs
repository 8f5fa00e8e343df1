//! Which endpoint of a service takes the next request: spreading, health, ejection. It decides and performs nothing: who
//! uses it sends the requests and the probes, and tells what became of them.
#![doc = include_str!("../README.md")]

pub mod limits;

mod balancer;
mod cohort;
mod config;
mod describe;
mod endpoint;
mod ewma;
pub mod health;
mod lots;
mod maglev;
pub mod outlier;
mod pick;
mod ready;
mod rotation;
mod select;
mod state;

pub use balancer::Balancer;
pub use config::{Algorithm, BalanceConfig, InvalidConfig};
pub use describe::{Counts, Description, EndpointStatus, Standing};
pub use endpoint::Endpoint;
pub use pick::{Pick, Seen};
pub use select::Reach;

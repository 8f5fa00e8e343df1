//! The gateway between clients and services that others wrote, and between those that break every rule: it answers
//! what the manual says or closes, goes on serving whoever is well behaved, and keeps nothing of what is gone.

mod beside;
mod broken;
mod browser;
mod churn;
mod crowd;
mod curl;
mod frames;
mod grpc;
mod handover;
mod hints;
mod load;
mod node;
mod peers;
mod race;
mod raw;
mod websocket;

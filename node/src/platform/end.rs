//! The end of a node. It stops: first it says that it is not ready, then it takes nothing new, then it finishes what is
//! under way. Or another process has taken over: clients are asked to come back on another connection, which leads
//! there, and no connection is closed under one that still uses it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mamparo_proxy::Proxy;

use super::upgrade::Successor;
use super::{End, Node, sockets};
use crate::stop::Stop;

/// How long connections that rest are kept after another process has taken over, so that their clients meet the next
/// answer and not a connection that is just being closed.
const REST_TIME: Duration = Duration::from_secs(5);
/// Between two looks whether they are all gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends `node`. A second reason to stop cuts it short, unless a supervisor decides when patience ends.
pub(super) async fn end(node: Node, end: End, stop: &mut Stop) {
    node.ready.store(false, Ordering::Relaxed);
    let supervised = stop.is_supervised();
    let gently = async {
        match end {
            End::Stop => stop_gently(node).await,
            End::Upgraded(successor) => leave(node, *successor).await,
        }
    };
    tokio::select! {
        () = gently => tracing::info!("stopped"),
        reason = stop.requested(), if !supervised => tracing::warn!(reason, "stopped without waiting"),
    }
}

async fn stop_gently(mut node: Node) {
    sockets::notify("STOPPING=1");
    // A program that was about to take over ends, too.
    drop(node.upgrades);
    let config = node.reload.config();
    let gateway = &config.config.gateway;
    if let Some(proxy) = node.gateway.take() {
        if !gateway.drain_delay.is_zero() {
            tracing::info!(delay = ?gateway.drain_delay, "not ready any more, and still serving");
            proxy.leave(true);
            tokio::time::sleep(gateway.drain_delay).await;
        }
        node.sockets.close();
        drain(proxy, gateway.drain).await;
    }
    if let Some(hub) = node.hub.take() {
        hub.close().await;
    }
    node.exporter.close().await;
}

async fn leave(mut node: Node, successor: Successor) {
    tracing::info!(pid = successor.pid(), "upgrade: the new process serves, this one leaves");
    sockets::notify(&format!("MAINPID={}", successor.pid()));
    let config = node.reload.config();
    // What is asked from now on reaches the new process.
    drop((node.admin.take(), node.socket.take()));
    node.sockets.close();
    successor.go().await;
    if let Some(proxy) = node.gateway.take() {
        proxy.leave(false);
        let view = proxy.view();
        let all_gone = async {
            while view.connections().iter().sum::<usize>() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(REST_TIME, all_gone).await;
        drain(proxy, config.config.gateway.upgrade_drain).await;
    }
    node.exporter.close().await;
}

async fn drain(proxy: Proxy, time: Duration) {
    let drained = proxy.drain(time).await;
    tracing::info!(cut = drained.cut, "the gateway has drained");
}

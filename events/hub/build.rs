//! Compiles the protocol of the hub, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    #[cfg(feature = "wire")]
    {
        let files = protox::compile(["mamparo/hub/v1/hub.proto"], ["proto"])?;
        tonic_prost_build::configure()
            .bytes(".mamparo.hub.v1.Message.payload")
            .build_client(cfg!(feature = "client"))
            .build_server(cfg!(feature = "server"))
            .build_transport(false)
            .compile_fds(files)?;
    }
    Ok(())
}

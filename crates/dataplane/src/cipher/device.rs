//! Where packets come from before they are encrypted, and go to afterwards.

use std::io;

use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

/// One end of the kernel's, or of a test's.
pub(super) trait Device: Send + Sync + 'static {
    /// Wait for a packet.
    fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Hand a packet over.
    fn write(&self, packet: &[u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

/// A TUN device.
pub(super) struct Tun(AsyncDevice);

impl Tun {
    /// Take hold of it, after making it if there is none. It stays when the process ends, and keeps what the kernel has
    /// on it.
    pub(super) fn open(name: &str) -> Result<Self, String> {
        let told = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => {
                    ": this kernel has no /dev/net/tun (modprobe tun), without which nothing can be encrypted"
                }
                io::ErrorKind::PermissionDenied => ": the process needs CAP_NET_ADMIN",
                _ => "",
            };
            format!("the device {name} can't be had: {error}{hint}; trying on")
        };
        let device = DeviceBuilder::new().name(name).layer(Layer::L3).inherit_enable_state();
        let device = device.build_async().map_err(told)?;
        device.persist().map_err(told)?;
        Ok(Self(device))
    }
}

impl Device for Tun {
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }

    async fn write(&self, packet: &[u8]) -> io::Result<usize> {
        self.0.send(packet).await
    }
}

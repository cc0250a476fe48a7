mod hostile;

use std::{
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

fn main() {
    hostile::main();
    let mut through = Vec::new();
    for host in ["127.0.0.1:@HOST_PORT@", "[::1]:@HOST_PORT@", "172.17.0.1:@HOST_PORT@", "93.184.216.34:80", "[2606:4700::1111]:443"] {
        let address: SocketAddr = host.parse().unwrap();
        if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
            through.push(host);
        }
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        if let Ok(socket) = UdpSocket::bind(any) {
            let _ = socket.send_to(b"all that I know", address);
        }
    }
    if through.is_empty() {
        println!("withstood");
    } else {
        println!("{through:?}");
    }
}

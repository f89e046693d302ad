//! What `net` promises, checked from outside: strict MQTT by table and property, TLS against rustls, Python and Node.

mod connection;
mod hostile;
mod properties;
mod tls;

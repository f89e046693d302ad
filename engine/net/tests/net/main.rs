//! What `net` promises, checked from outside: strict MQTT by table and property, TLS against rustls, Python and Node,
//! WebSocket against another implementation.

#[cfg(test)]
mod connection;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod ws;

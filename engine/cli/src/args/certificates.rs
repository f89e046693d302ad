//! Flags of what concerns certificates of devices: `hub ca`, `hub cert`, and `devices add`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `iotplay hub ca`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Believe the devices that this authority has signed
    Add(CaAddArgs),
    /// List the authorities
    List,
    /// Believe them no longer
    Remove {
        /// The authority's name at the hub
        name: String,
    },
    /// Make an authority to try things with: NAME.pem and NAME-key.pem
    New {
        /// Its name, and that of its files
        name: String,
        /// Where the files go
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
}

/// `iotplay hub ca add`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CaAddArgs {
    /// Its certificate, PEM
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its name at the hub; the file's own, if none is given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// `iotplay hub cert`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CertArgs {
    /// The device's id: the certificate's name, and that of the files ID.pem and ID-key.pem
    pub(crate) device: String,
    /// The authority that signs it, PEM; without one it signs itself
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    pub(crate) sign_cert: Option<PathBuf>,
    /// The authority's key, PEM
    #[arg(long, value_name = "FILE", requires = "sign_cert")]
    pub(crate) sign_key: Option<PathBuf>,
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

/// `iotplay devices add`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AddArgs {
    /// The device's id
    pub(crate) device: String,
    /// It logs in with this certificate (PEM) instead of a key: its thumbprint is entered
    #[arg(long, value_name = "FILE", conflicts_with = "ca_signed")]
    pub(crate) cert: Option<PathBuf>,
    /// It logs in with a certificate that an authority of the hub has signed
    #[arg(long)]
    pub(crate) ca_signed: bool,
}

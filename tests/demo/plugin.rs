//! The plugin's binary, beside this example's: Cargo does not build it for an example, so that is done here.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// Builds the plugin, unless an argument says where one is, and answers where it is.
pub(crate) fn build() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(path) = env::args_os().nth(1) {
        return Ok(path.into());
    }
    let examples = env::current_exe()?;
    let profile = examples.parent().and_then(|directory| directory.parent()).ok_or("no target directory")?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Together with the demo it needs the same features of its dependencies, so nothing is compiled twice.
    build.args(["build", "--quiet", "--bin", "aliyun-eni-ipam", "--example", "demo"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    // Cargo told this program of its own package. Build scripts of dependencies look at the same names, and would run anew.
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
            build.env_remove(name);
        }
    }
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err("the plugin could not be built".into());
    }
    Ok(profile.join("aliyun-eni-ipam"))
}

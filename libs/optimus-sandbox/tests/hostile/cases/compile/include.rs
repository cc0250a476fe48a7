mod hostile;

static STOLEN: &str = include_str!("@SECRET_FILE@");
static SHADOW: &[u8] = include_bytes!("/etc/shadow");
static JOB: &str = include_str!("/run/optimus/job.json");

fn main() {
    hostile::main();
    println!("{STOLEN}{}{JOB}", SHADOW.len());
}

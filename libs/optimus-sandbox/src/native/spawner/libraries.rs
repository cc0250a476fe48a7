//! What the dynamic loader will look for to start a program: its own path, and libraries, as `ld.so(8)` finds them.

use std::{
    fs::{self, File},
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use elf::{ElfStream, abi, endian::AnyEndian};

/// Where libraries are in any case.
const USUAL: [&str; 6] = [
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
];
const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Variants of a library for newer processors, which go before it.
const VARIANTS: &str = "glibc-hwcaps";
/// Files of a configuration that name others may do so in a circle.
const MAX_DEPTH: u32 = 8;

/// The host's folders of libraries.
#[derive(Debug)]
pub(super) struct Libraries {
    folders: Vec<PathBuf>,
}

/// Which machine a program is for: a loader passes over libraries for others.
type ElfMachine = (u16, elf::file::Class);

/// What one program or library says of itself.
#[derive(Debug)]
struct Linked {
    machine: ElfMachine,
    interpreter: Option<PathBuf>,
    needed: Vec<String>,
    /// `DT_RPATH` and `DT_RUNPATH`, as they are written.
    folders: Vec<String>,
}

impl Libraries {
    /// As this host is configured.
    pub(super) fn of_host() -> Self {
        let mut folders = Vec::new();
        configured(Path::new(CONFIGURATION), &mut folders, 0);
        folders.extend(USUAL.map(PathBuf::from));
        Self { folders }
    }

    /// What a file needs to run, if it is a program or a library at all. `place` is where it lies on the host.
    pub(super) fn needed_by(&self, file: File, place: &Path) -> Vec<PathBuf> {
        let Some(linked) = Linked::read(file) else {
            return Vec::new();
        };
        let origin = place.parent().unwrap_or(Path::new("/"));
        let own: Vec<PathBuf> = linked
            .folders
            .iter()
            .flat_map(|folders| folders.split(':'))
            .map(|folder| PathBuf::from(expand(folder, origin)))
            .filter(|folder| folder.is_absolute())
            .collect();
        let mut found: Vec<_> = linked.interpreter.into_iter().collect();
        for name in &linked.needed {
            if name.contains('/') {
                found.push(PathBuf::from(expand(name, origin)));
                continue;
            }
            let candidates = own.iter().chain(&self.folders).map(|folder| folder.join(name));
            let fits = |candidate: &PathBuf| machine(candidate) == Some(linked.machine);
            let Some(library) = { candidates }.find(fits) else {
                continue;
            };
            let variants = library.parent().map(|folder| folder.join(VARIANTS));
            let variants = variants.iter().flat_map(fs::read_dir).flatten().flatten();
            found.extend(
                variants
                    .map(|folder| folder.path().join(name))
                    .filter(|variant| variant.exists()),
            );
            found.push(library);
        }
        found
    }
}

/// Folders that a configuration names, with those of the files it includes.
fn configured(file: &Path, folders: &mut Vec<PathBuf>, depth: u32) {
    let text = fs::read_to_string(file).unwrap_or_default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include") {
            Some(pattern) if depth < MAX_DEPTH => {
                let beside = file.parent().unwrap_or(Path::new("/"));
                let pattern = beside.join(pattern.trim());
                for included in glob::glob(&pattern.to_string_lossy())
                    .into_iter()
                    .flatten()
                    .flatten()
                {
                    configured(&included, folders, depth + 1);
                }
            }
            _ if line.starts_with('/') => folders.push(line.into()),
            _ => {}
        }
    }
}

fn expand(folder: &str, origin: &Path) -> String {
    let origin = origin.to_string_lossy();
    folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin)
}

fn machine(file: &Path) -> Option<ElfMachine> {
    let elf = ElfStream::<AnyEndian, _>::open_stream(File::open(file).ok()?).ok()?;
    Some((elf.ehdr.e_machine, elf.ehdr.class))
}

impl Linked {
    fn read(mut file: File) -> Option<Self> {
        let mut magic = [0; 4];
        file.read_exact(&mut magic).ok()?;
        if magic != abi::ELFMAGIC {
            return None;
        }
        file.rewind().ok()?;
        let mut elf = ElfStream::<AnyEndian, _>::open_stream(file).ok()?;
        let interpreter = { elf.segments().iter() }
            .find(|segment| segment.p_type == abi::PT_INTERP)
            .copied();
        let interpreter = interpreter.and_then(|segment| {
            let name = elf.segment_data(&segment).ok()?.split(|byte| *byte == 0).next()?;
            Some(PathBuf::from(std::str::from_utf8(name).ok()?))
        });
        let entries: Vec<_> = elf
            .dynamic()
            .ok()
            .flatten()
            .map(|table| table.iter().collect())
            .unwrap_or_default();
        let value = |tag| {
            entries
                .iter()
                .find(|entry| entry.d_tag == tag)
                .map(elf::dynamic::Dyn::d_val)
        };
        let strings = Strings::of(&mut elf, value(abi::DT_STRTAB), value(abi::DT_STRSZ));
        let named = |tag| {
            let entries = entries.iter().filter(move |entry| entry.d_tag == tag);
            entries
                .filter_map(|entry| strings.at(entry.d_val()))
                .collect::<Vec<_>>()
        };
        let mut folders = named(abi::DT_RPATH);
        folders.extend(named(abi::DT_RUNPATH));
        Some(Self {
            machine: (elf.ehdr.e_machine, elf.ehdr.class),
            interpreter,
            needed: named(abi::DT_NEEDED),
            folders,
        })
    }
}

/// The table of names that the dynamic section refers to.
#[derive(Debug, Default)]
struct Strings(Vec<u8>);

impl Strings {
    /// It is found by its address in memory: a stripped file has no sections.
    fn of(elf: &mut ElfStream<AnyEndian, File>, address: Option<u64>, size: Option<u64>) -> Self {
        let table = address.zip(size).and_then(|(address, size)| {
            let segment = *elf.segments().iter().find(|segment| {
                segment.p_type == abi::PT_LOAD
                    && (segment.p_vaddr..segment.p_vaddr.checked_add(segment.p_filesz).unwrap_or(0))
                        .contains(&address)
            })?;
            let before = address - segment.p_vaddr;
            let part = elf::segment::ProgramHeader {
                p_offset: segment.p_offset.checked_add(before)?,
                p_filesz: size.min(segment.p_filesz - before),
                ..segment
            };
            elf.segment_data(&part).ok().map(<[u8]>::to_vec)
        });
        Self(table.unwrap_or_default())
    }

    fn at(&self, offset: u64) -> Option<String> {
        let name = self.0.get(usize::try_from(offset).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        String::from_utf8(name.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_its_loader_and_its_libraries() {
        let program = std::env::current_exe().unwrap();
        let needed = Libraries::of_host().needed_by(File::open(&program).unwrap(), &program);
        // The loader has found the same ones.
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped: Vec<_> = maps
            .lines()
            .filter_map(|line| Some(PathBuf::from(line.split_whitespace().nth(5)?)))
            .filter(|path| path.to_string_lossy().contains(".so"))
            .collect();
        assert!(!needed.is_empty() && !mapped.is_empty());
        for library in &needed {
            let real = library.canonicalize().unwrap();
            assert!(mapped.contains(&real), "{real:?} of {mapped:?}");
        }
    }

    #[test]
    fn what_is_no_program_needs_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"\x7fELF and then nonsense").unwrap();
        let libraries = Libraries::of_host();
        assert!(
            libraries
                .needed_by(File::open(file.path()).unwrap(), file.path())
                .is_empty()
        );
        fs::write(file.path(), "#!/bin/sh").unwrap();
        assert!(
            libraries
                .needed_by(File::open(file.path()).unwrap(), file.path())
                .is_empty()
        );
    }

    #[test]
    fn folders_of_a_program_are_told_by_where_it_lies() {
        assert_eq!(
            expand("$ORIGIN/../lib", Path::new("/opt/x/bin")),
            "/opt/x/bin/../lib"
        );
        assert_eq!(expand("${ORIGIN}", Path::new("/opt/x/bin")), "/opt/x/bin");
    }
}

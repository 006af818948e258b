//! Meaning of refusals by call and errno, in words, and whether programs provoke them on purpose.

use memtap_model::{Call, Errno};

use super::{Severity, Text};
use crate::amount;

const EPERM: u16 = 1;
const EAGAIN: u16 = 11;
const ENOMEM: u16 = 12;
const EACCES: u16 = 13;
const EFAULT: u16 = 14;
const ENFILE: u16 = 23;
const EMFILE: u16 = 24;

/// Cause of a refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// No memory, or a limit was reached: address space, committed memory, or number of mappings.
    NoMemory,
    /// mprotect: part of the range is not mapped, or a limit as for `NoMemory`.
    NoMemoryOrHole,
    /// The limit on locked memory.
    Locked,
    /// The limit on open files.
    Files,
    /// The range is not (fully) mapped: a mistake of the program.
    NotMapped,
    /// The range is sealed with mseal, or a privilege is missing.
    Sealed,
    /// Access rights, or a policy that memory must not be both writable and executable.
    Access,
}

impl Kind {
    /// Classifies a refusal that points to a shortage or a mistake. Returns `None` for refusals
    /// that programs provoke on purpose or that do no harm:
    ///
    /// - EINVAL, ENOSYS, EOPNOTSUPP: probes of kernel features (newer madvise advice, MAP_SYNC,
    ///   flags of memfd_create)
    /// - EEXIST: MAP_FIXED_NOREPLACE checks whether an address is free
    /// - ENODEV, EBADF: a file that cannot be mapped is read instead
    /// - madvise and munlock with ENOMEM: the kernel handled the mapped parts, so nothing is
    ///   missing
    /// - userfaultfd with EPERM: garbage collectors try it and work without it
    pub(crate) fn of(call: Call, errno: Errno) -> Option<Self> {
        use Call::{
            Brk, Madvise, MemfdCreate, Mlock, Mlock2, Mlockall, Mmap, Mprotect, Mremap, Munmap, PkeyMprotect,
            Shmat,
        };
        Some(match (call, errno.0) {
            (Mmap | Mremap | Brk | Munmap | Shmat | MemfdCreate, ENOMEM) => Self::NoMemory,
            (Mprotect | PkeyMprotect, ENOMEM) => Self::NoMemoryOrHole,
            (Mlock | Mlock2 | Mlockall, ENOMEM | EAGAIN | EPERM) | (Mmap | Mremap, EAGAIN) => Self::Locked,
            (MemfdCreate | Mmap, EMFILE | ENFILE) => Self::Files,
            (Mremap, EFAULT) => Self::NotMapped,
            (Mmap | Mremap | Munmap | Mprotect | PkeyMprotect | Madvise, EPERM) => Self::Sealed,
            (Mmap | Mprotect | PkeyMprotect | Shmat | MemfdCreate, EACCES) => Self::Access,
            _ => return None,
        })
    }

    /// Importance of a single refusal.
    pub(crate) fn severity(self, call: Call) -> Severity {
        match (self, call) {
            (Self::NoMemory | Self::Files, _) | (Self::Locked, Call::Mlockall) => Severity::Warning,
            _ => Severity::Notice,
        }
    }

    /// Fewest refusals to report: a program may try a range or a permission once and then choose
    /// another way.
    pub(crate) fn least(self) -> u64 {
        match self {
            Self::NoMemoryOrHole | Self::Sealed | Self::Access => 3,
            _ => 1,
        }
    }
}

/// Explains an errno in words that fit the call.
#[must_use]
pub fn refusal_meaning(call: Call, errno: Errno) -> Text {
    match (Kind::of(call, errno), errno.0) {
        (Some(kind), _) => kind_meaning(kind, call),
        (None, ENOMEM) if call == Call::Madvise => Text::both(
            "part of the range is not mapped; the kernel applied the advice to the mapped parts",
            "parte del intervalo no está asignada; el núcleo aplicó el consejo a las partes asignadas",
        ),
        (None, ENOMEM) => {
            Text::both("part of the range is not mapped", "parte del intervalo no está asignada")
        }
        (None, 22) => Text::both(
            "an argument is invalid, or this kernel does not support the flag or advice (programs often probe for it)",
            "un argumento no es válido, o este núcleo no admite la opción o el consejo (los programas suelen sondearlo)",
        ),
        (None, 17) => Text::both(
            "something is mapped there already (MAP_FIXED_NOREPLACE): the program asked whether the address is free",
            "ya hay algo asignado ahí (MAP_FIXED_NOREPLACE): el programa preguntaba si la dirección está libre",
        ),
        (None, 19) => Text::both(
            "this file cannot be mapped; programs usually read it instead",
            "este archivo no se puede proyectar; los programas suelen leerlo de otro modo",
        ),
        (None, 9) => Text::both(
            "the file descriptor is not open, or no file backs the range",
            "el descriptor de archivo no está abierto, o ningún archivo respalda el intervalo",
        ),
        (None, 38 | 95) => {
            Text::both("this kernel does not support it (a probe)", "este núcleo no lo admite (es un sondeo)")
        }
        (None, EPERM) => Text::both("a privilege is missing", "falta un privilegio"),
        (None, EACCES) => Text::both("the access rights do not allow it", "los permisos no lo permiten"),
        (None, EFAULT) => Text::both(
            "an address is not mapped in the process",
            "una dirección no está asignada en el proceso",
        ),
        (None, _) => Text::told(|lang| {
            let name = errno.to_string();
            lang.pick(
                format!("the kernel returned {name}; the manual page of the call explains it"),
                format!("el núcleo devolvió {name}; la página de manual de la llamada lo explica"),
            )
        }),
    }
}

/// Advice on how to fix a refusal. `None` if programs provoke it on purpose or it does no harm.
#[must_use]
pub fn refusal_fix(call: Call, errno: Errno, largest_bytes: u64) -> Option<Text> {
    Kind::of(call, errno).map(|kind| fix(kind, largest_bytes))
}

fn kind_meaning(kind: Kind, call: Call) -> Text {
    match (kind, call) {
        (Kind::NoMemory, Call::Munmap) => Text::both(
            "releasing the middle of a mapping splits it in two, and the process already has as many mappings as vm.max_map_count allows",
            "liberar el centro de una zona la divide en dos, y el proceso ya tiene tantas zonas como permite vm.max_map_count",
        ),
        (Kind::NoMemory, Call::Brk) => Text::both(
            "the heap cannot grow: another mapping is in the way, or it would exceed the limit on data (RLIMIT_DATA), on address space (RLIMIT_AS) or the machine's overcommit limit",
            "el montículo no puede crecer: se lo impide otra zona, o superaría el límite de datos (RLIMIT_DATA), el de espacio de direcciones (RLIMIT_AS) o el de sobreasignación de la máquina",
        ),
        (Kind::NoMemory, _) => Text::both(
            "not enough memory: the request would exceed the process's limit on address space (RLIMIT_AS) or data (RLIMIT_DATA), the machine's overcommit limit or the limit on mappings (vm.max_map_count)",
            "no hay memoria suficiente: la solicitud superaría el límite de espacio de direcciones (RLIMIT_AS) o de datos (RLIMIT_DATA) del proceso, el de sobreasignación de la máquina o el de zonas (vm.max_map_count)",
        ),
        (Kind::NoMemoryOrHole, _) => Text::both(
            "part of the range is not mapped, or making it writable would exceed the overcommit limit, or splitting it would exceed vm.max_map_count",
            "parte del intervalo no está asignada, o hacerla escribible superaría el límite de sobreasignación, o dividirla superaría vm.max_map_count",
        ),
        (Kind::Locked, Call::Mlock | Call::Mlock2) => Text::both(
            "more than the process may lock in memory (RLIMIT_MEMLOCK), or part of the range is not mapped",
            "más de lo que el proceso puede bloquear en memoria (RLIMIT_MEMLOCK), o parte del intervalo no está asignada",
        ),
        (Kind::Locked, _) => Text::both(
            "more than the process may lock in memory (RLIMIT_MEMLOCK)",
            "más de lo que el proceso puede bloquear en memoria (RLIMIT_MEMLOCK)",
        ),
        (Kind::Files, _) => Text::both(
            "the process (or the machine) has reached its limit on open files",
            "el proceso (o la máquina) ha llegado a su límite de archivos abiertos",
        ),
        (Kind::NotMapped, _) => Text::both(
            "the range to move or grow is not fully mapped: a bug in the program",
            "el intervalo que se quería mover o ampliar no está asignado por completo: un error del programa",
        ),
        (Kind::Sealed, _) => Text::both(
            "the range is sealed (mseal), or a privilege is missing",
            "el intervalo está sellado (mseal), o falta un privilegio",
        ),
        (Kind::Access, _) => Text::both(
            "the file or segment was not opened for this access, or a security policy forbids memory that is both writable and executable",
            "el archivo o el segmento no se abrió para ese acceso, o una política de seguridad prohíbe memoria que sea a la vez escribible y ejecutable",
        ),
    }
}

/// Advice on how to fix a refusal when the exact limit is unknown.
pub(crate) fn fix(kind: Kind, largest_bytes: u64) -> Text {
    match kind {
        Kind::NoMemory | Kind::NoMemoryOrHole => Text::told(|lang| {
            let largest = amount::bytes(largest_bytes, lang);
            lang.pick(
                format!("Find out which limit was reached. Limits of the process: `ulimit -v` and `ulimit -d` (LimitAS= and LimitDATA= of its systemd unit), and `sysctl vm.max_map_count` compared with its number of mappings. Limits of the machine: `sysctl vm.overcommit_memory`, with CommitLimit and Committed_AS in /proc/meminfo. Or make the program request less than {largest} at once."),
                format!("Averigüe qué límite se alcanzó. Límites del proceso: `ulimit -v` y `ulimit -d` (LimitAS= y LimitDATA= de su unidad de systemd), y `sysctl vm.max_map_count` comparado con su número de zonas. Límites de la máquina: `sysctl vm.overcommit_memory`, con CommitLimit y Committed_AS de /proc/meminfo. O haga que el programa solicite menos de {largest} de una vez."),
            )
        }),
        Kind::Locked => Text::both(
            "Raise the limit: `ulimit -l`, LimitMEMLOCK= of its systemd unit, or /etc/security/limits.conf; in a container, --ulimit memlock=. Or give the program CAP_IPC_LOCK.",
            "Suba el límite: `ulimit -l`, LimitMEMLOCK= de su unidad de systemd o /etc/security/limits.conf; en un contenedor, --ulimit memlock=. O dé al programa CAP_IPC_LOCK.",
        ),
        Kind::Files => Text::both(
            "Raise the limit on open files (`ulimit -n`, LimitNOFILE=), or find the files that the program does not close.",
            "Suba el límite de archivos abiertos (`ulimit -n`, LimitNOFILE=) o busque qué archivos deja el programa sin cerrar.",
        ),
        Kind::NotMapped => Text::both(
            "The program passes an address that it has already released, or a length that goes beyond the mapping. Report it to its authors, with the address of the request.",
            "El programa pasa una dirección que ya liberó, o una longitud que se sale de la zona. Avise a sus autores e indique la dirección de la solicitud.",
        ),
        Kind::Sealed => Text::both(
            "Check the address of the request. If it is sealed, the code that sealed it wants it to stay unchanged. Otherwise the program is missing a privilege.",
            "Compruebe la dirección de la solicitud. Si está sellada, el código que la selló quiere que no cambie. Si no, al programa le falta un privilegio.",
        ),
        Kind::Access => Text::both(
            "Check the permissions of the file or segment, and whether SELinux, AppArmor or the systemd unit (MemoryDenyWriteExecute=) denies the access.",
            "Compruebe los permisos del archivo o segmento, y si SELinux, AppArmor o la unidad de systemd (MemoryDenyWriteExecute=) deniega el acceso.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;

    #[test]
    fn deliberate_probes_are_not_classified() {
        for (call, errno) in [
            (Call::Madvise, 22),
            (Call::Mprotect, 22),
            (Call::Mmap, 17),
            (Call::Mmap, 19),
            (Call::Mmap, 95),
            (Call::Madvise, ENOMEM),
            (Call::MemfdCreate, 22),
            (Call::Userfaultfd, EPERM),
            (Call::Mseal, 38),
        ] {
            assert_eq!(Kind::of(call, Errno(errno)), None, "{} {errno}", call.name());
        }
    }

    #[test]
    fn refusals_are_classified_by_call_and_errno() {
        for (call, errno, kind) in [
            (Call::Mmap, ENOMEM, Kind::NoMemory),
            (Call::Brk, ENOMEM, Kind::NoMemory),
            (Call::Mlock, ENOMEM, Kind::Locked),
            (Call::Mmap, EAGAIN, Kind::Locked),
            (Call::Mremap, EFAULT, Kind::NotMapped),
            (Call::Mprotect, EPERM, Kind::Sealed),
            (Call::MemfdCreate, EMFILE, Kind::Files),
        ] {
            assert_eq!(Kind::of(call, Errno(errno)), Some(kind));
        }
    }

    #[test]
    fn every_refusal_has_words_in_both_languages() {
        for row in memtap_model::CALLS {
            for errno in 1..=133 {
                let meaning = refusal_meaning(row.call, Errno(errno));
                let (english, spanish) = (meaning.text(Lang::En), meaning.text(Lang::Es));
                assert!(!english.is_empty() && english != spanish, "{} {errno}: {english}", row.name);
            }
        }
        let lock = refusal_meaning(Call::Mlock, Errno(ENOMEM));
        assert!(lock.text(Lang::En).contains("RLIMIT_MEMLOCK"));
    }
}

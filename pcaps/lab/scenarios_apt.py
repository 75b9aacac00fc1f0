"""Package managers and fetchers of a Unix host: apt-get with a repository of its own, wget."""

import shutil
import subprocess
import time

from clients import accesses_from_server
from lab import check
from scenario import scenario
from standard import CHECK_PATH, MAR_PATH, UpdateLab

ARCHIVE = "ftp.jp.debian.org"
MAINTAINER = "Capture laboratory <lab@lab.example>"
PACKAGE_BYTES = 300_000
INDEX_PACKAGES = 400


@scenario("apt.pcap.zst")
def apt(path):
    """apt-get update, then apt-get install --download-only: check and download use one host name"""
    with UpdateLab(apt.__doc__) as lab:
        system = AptSystem(lab)
        lab.mirror(lab.client)
        with lab.capture(path):
            system.get("update")
            system.get("install", "--download-only", "--yes", "sample-tool", "sample-library")
        accesses_from_server(lab, lab.nginx, "apt-get", lab.client)
        lab.finish(path, "apt-get")


@scenario("apt-unchanged.pcap")
def apt_unchanged(path):
    """apt-get update where nothing changed: the server answers 304"""
    with UpdateLab(apt_unchanged.__doc__) as lab:
        system = AptSystem(lab)
        system.get("update")
        time.sleep(0.1)
        before = time.time()
        lab.mirror(lab.client)
        with lab.capture(path):
            system.get("update")
        accesses_from_server(lab, lab.nginx, "apt-get", lab.client, since=before)
        lab.truth.notes["before_the_capture"] = "one more apt-get update, whose requests are in server_requests"
        lab.finish(path, "apt-get")


@scenario("wget.pcap.gz")
def wget(path):
    """wget over HTTP and HTTPS, two files each on one connection"""
    with UpdateLab(wget.__doc__) as lab:
        lab.mirror(lab.client)
        with lab.capture(path):
            for name in ("http://download.mozilla.org", "https://aus5.mozilla.org"):
                lab.client.run(["wget", "--quiet", "--tries=1", "--timeout=20", "--no-hsts", "--output-document=/dev/null",
                                f"--ca-certificate={lab.authority.certificate}", name + CHECK_PATH, name + MAR_PATH])
        accesses_from_server(lab, lab.nginx, "wget", lab.client)
        lab.finish(path, "wget")


class AptSystem:
    """A signed repository on the web server, and an apt of the client that knows nothing else."""

    def __init__(self, lab):
        self.lab = lab
        self.repository = lab.root / "debian"
        self.directory = lab.directory / "apt"
        key_ring = self.directory / "gnupg"
        key_ring.mkdir(parents=True, mode=0o700)
        self._packages()
        self._index()
        self._sign(key_ring)
        self._configure()

    def get(self, *words):
        """Runs apt-get in the client's namespace, with no setting or list of the machine."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.directory), "LC_ALL": "C.UTF-8",
                       "APT_CONFIG": str(self.directory / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        return self.lab.client.run(["apt-get", "--quiet", *words], env=environment)

    def _packages(self):
        pool = self.repository / "pool/main/s/sample"
        pool.mkdir(parents=True)
        for name, depends in (("sample-tool", "sample-library"), ("sample-library", "")):
            tree = self.directory / name
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "usr/share" / name).mkdir(parents=True)
            (tree / "usr/share" / name / "data").write_bytes(bytes(PACKAGE_BYTES))
            control = [f"Package: {name}", "Version: 1.0-1", "Architecture: amd64", f"Maintainer: {MAINTAINER}",
                       "Section: utils", "Priority: optional", f"Description: sample package {name}"]
            control += [f"Depends: {depends}"] if depends else []
            (tree / "DEBIAN/control").write_text("\n".join(control) + "\n")
            # Not compressed, so that the capture is.
            check(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, pool / f"{name}_1.0-1_amd64.deb"])

    def _index(self):
        binary = self.repository / "dists/stable/main/binary-amd64"
        binary.mkdir(parents=True)
        packages = check(["apt-ftparchive", "packages", "pool"], cwd=self.repository)
        # A real index is large; most of what it lists is never fetched.
        for number in range(INDEX_PACKAGES):
            packages += (f"\nPackage: unused-{number:04d}\nArchitecture: amd64\nVersion: {number}.0-1\nPriority: optional\n"
                         f"Section: misc\nFilename: pool/main/u/unused/unused-{number:04d}_{number}.0-1_amd64.deb\n"
                         f"Size: {1000 + number}\n"
                         f"SHA256: {number * 2654435761 % 2**32:064x}\nDescription: sample entry {number}\n")
        (binary / "Packages").write_text(packages)
        check(["xz", "--keep", binary / "Packages"])

    def _sign(self, key_ring):
        dists = self.repository / "dists/stable"
        release = check(["apt-ftparchive", "-o", "APT::FTPArchive::Release::Origin=Capture laboratory", "-o",
                         "APT::FTPArchive::Release::Suite=stable", "-o", "APT::FTPArchive::Release::Codename=stable", "-o",
                         "APT::FTPArchive::Release::Components=main", "-o", "APT::FTPArchive::Release::Architectures=amd64",
                         "release", "."], cwd=dists)
        (dists / "Release").write_text(release)
        gpg = ["gpg", "--homedir", key_ring, "--batch", "--quiet", "--passphrase", ""]
        check([*gpg, "--quick-generate-key", MAINTAINER, "ed25519", "sign", "never"])
        check([*gpg, "--output", dists / "InRelease", "--clearsign", dists / "Release"])
        check([*gpg, "--output", self.directory / "archive.gpg", "--export"])
        # gpg starts an agent of its own for this key ring.
        subprocess.run(["gpgconf", "--homedir", str(key_ring), "--kill", "gpg-agent"], timeout=20, capture_output=True)
        # The agent may still be taking its sockets away.
        shutil.rmtree(key_ring, ignore_errors=True)

    def _configure(self):
        for folder in ("state/lists/partial", "cache/archives/partial", "etc/parts", "log"):
            (self.directory / folder).mkdir(parents=True)
        (self.directory / "status").write_text("")
        (self.directory / "etc/sources.list").write_text(
            f"deb [signed-by={self.directory}/archive.gpg] http://{ARCHIVE}/debian stable main\n")
        (self.directory / "apt.conf").write_text(f"""
Dir::Etc::sourcelist "{self.directory}/etc/sources.list";
Dir::Etc::sourceparts "{self.directory}/etc/parts";
Dir::Etc::parts "{self.directory}/etc/parts";
Dir::Etc::main "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{self.directory}/etc/parts";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "{self.directory}/etc/parts";
Dir::State "{self.directory}/state";
Dir::State::status "{self.directory}/status";
Dir::Cache "{self.directory}/cache";
Dir::Log "{self.directory}/log";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Debug::NoLocking "true";
""")

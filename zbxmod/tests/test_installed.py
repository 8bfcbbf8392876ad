"""zbxmod as it is installed: examples built outside the tree, with CMake's package and with pkg-config alone, and the
project that `zbxmod-host new` makes, which is built, tested and packaged. Run by ctest as zbxmod.installed."""

import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BAKUSOKU_BUILD_DIR"])
CMAKE = os.environ.get("CMAKE", "cmake")
CXX = os.environ.get("CXX", "c++")
EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def run(*command, cwd=None, env=None, expect=0):
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True,
                          text=True, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="zbxmod-")
        cls.work = pathlib.Path(cls.directory.name)
        # Moved after it was installed: nothing in it may remember the prefix.
        run(CMAKE, "--install", BUILD, "--component", "zbxmod", "--prefix", cls.work / "installed")
        cls.prefix = cls.work / "moved"
        (cls.work / "installed").rename(cls.prefix)
        cls.host = cls.prefix / "bin/zbxmod-host"
        cls.environment = {"CMAKE_PREFIX_PATH": str(cls.prefix),
                           "PKG_CONFIG_PATH": str(cls.prefix / os.environ.get("ZBXMOD_LIBDIR", "lib") / "pkgconfig")}

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def assert_echoes(self, module):
        said = run(self.host, "--all-layouts", module, "example.echo[out of the tree]")
        self.assertIn("out of the tree", said)

    def test_cmake_package(self):
        project = self.work / "with-cmake"
        project.mkdir()
        (project / "echo.cpp").write_bytes((EXAMPLES / "echo.cpp").read_bytes())
        (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.22)\nproject(outside CXX)\n"
                                                "find_package(zbxmod REQUIRED)\n"
                                                "zbxmod_module(echo SOURCES echo.cpp)\n")
        run(CMAKE, "-B", "build", f"-DCMAKE_CXX_COMPILER={CXX}", "-DCMAKE_BUILD_TYPE=Release", cwd=project,
            env=self.environment)
        run(CMAKE, "--build", "build", cwd=project)
        self.assert_echoes(project / "build/echo.so")

    def test_pkg_config(self):
        flags = run("pkg-config", "--cflags", "--libs", "zbxmod", env=self.environment).split()
        for name in ("echo", "dummy", "discovery", "counter", "history"):
            run(CXX, "-std=c++20", "-O2", EXAMPLES / f"{name}.cpp", *flags, "-o", self.work / f"{name}.so")
            run(self.host, "--all-layouts", self.work / f"{name}.so")
        self.assert_echoes(self.work / "echo.so")
        symbols = run("nm", "-D", "--defined-only", self.work / "echo.so")
        self.assertNotIn("zbxmod", symbols)
        self.assertIn("zbx_module_item_list", symbols)

    def test_every_header_stands_alone(self):
        headers = sorted((self.prefix / "include/zbxmod").glob("*.h"))
        self.assertGreater(len(headers), 10)
        source = self.work / "alone.cpp"
        for header in headers:
            source.write_text(f'#include "zbxmod/{header.name}"\n#include "zbxmod/{header.name}"\n')
            run(CXX, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", f"-I{self.prefix / 'include'}", source)

    def test_new_project(self):
        said = run(self.host, "new", "my-first", cwd=self.work)
        self.assertIn("my-first/src/my-first.cpp", said)
        project = self.work / "my-first"
        self.assertEqual([], [str(path) for path in project.rglob("*") if path.is_file() and "@NAME@" in path.read_text()])
        run(CMAKE, "-B", "build", f"-DCMAKE_CXX_COMPILER={CXX}", cwd=project, env=self.environment)
        run(CMAKE, "--build", "build", cwd=project)
        tested = run("ctest", "--test-dir", "build", "--output-on-failure", cwd=project)
        self.assertIn("100% tests passed", tested)
        answer = run(self.host, project / "build/my-first.so", "my-first.sum[40,2]")
        self.assertIn("42", answer)
        run("cpack", "--config", "build/CPackConfig.cmake", "-B", "package", cwd=project)
        wanted = {"usr/lib/zabbix/modules/my-first.so", "etc/zabbix/zabbix_agentd.d/my-first.conf"}
        [archive] = (project / "package").glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            names = {"/".join(pathlib.PurePosixPath(name).parts[-len(pathlib.PurePosixPath(each).parts):])
                     for name in tar.getnames() for each in wanted}
            self.assertLessEqual(wanted, names)
        [package] = (project / "package").glob("*.deb")
        content = run("dpkg-deb", "-c", package)
        for each in wanted:
            self.assertIn(f"./{each}\n", content)
        self.assertIn("zabbix-module-my-first", run("dpkg-deb", "-f", package, "Package"))
        self.assertIn("/etc/zabbix/zabbix_agentd.d/my-first.conf", run("dpkg-deb", "-I", package, "conffiles"))
        run("dpkg-deb", "-x", package, self.work / "unpacked")
        configuration = (self.work / "unpacked/etc/zabbix/zabbix_agentd.d/my-first.conf").read_text()
        self.assertIn("\nLoadModule=/usr/lib/zabbix/modules/my-first.so\n", configuration)

    def test_new_refuses(self):
        for name in ("My", "1st", "a.b", "a/b", "", "-x", "test", "x-", "a" * 65):
            said = run(self.host, "new", name, cwd=self.work, expect=2)
            self.assertIn("zbxmod-host new: ", said)
        self.assertIn("which NAME?", run(self.host, "new", cwd=self.work, expect=2))
        occupied = self.work / "occupied"
        occupied.mkdir()
        (occupied / "file").write_text("mine")
        said = run(self.host, "new", "sound", "--directory", occupied, expect=1)
        self.assertIn("exists already: nothing was written", said)
        self.assertEqual(["file"], [path.name for path in occupied.iterdir()])
        self.assertIn("Usage:", run(self.host, "new", "--help"))


if __name__ == "__main__":
    unittest.main()

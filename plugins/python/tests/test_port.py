"""Sources of Python 2 are converted, once, and nothing else is touched."""

import os
import subprocess
import sys
import tempfile
import unittest

from nightbell_plugin.compat import port

OLD = "# -*- coding: latin-1 -*-\ntry:\n    print 'Pl\xe4tze', unicode(1)\nexcept ValueError, e:\n    raise\n"

try:
    port.converter()
    CONVERTS = True
except port.Misconfigured:
    CONVERTS = False


@unittest.skipUnless(CONVERTS, "SKIPPED: neither lib2to3 (Python 3.12 and before) nor fissix is here")
class Port(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_the_command_converts_what_cannot_be_read_and_tells_it(self):
        old, new = self.write("old.py", OLD.encode("latin-1")), self.write("new.py", b"print('x')\n")
        mixed = self.write("mixed.py", b"if 1:\n\tprint 1\n        print 2\n")
        os.chmod(old, 0o640)
        before = self.read(new), self.read(mixed)
        command = [sys.executable, "-m", "nightbell_plugin.compat.port", self.folder]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, f"converted {old}\n"))
        self.assertIn("mixed.py is neither Python 3 nor can it be converted", done.stderr)
        self.assertEqual((self.read(new), self.read(mixed)), before)
        self.assertEqual(os.stat(old).st_mode & 0o777, 0o640)
        said = subprocess.run([sys.executable, "-X", "utf8", old], capture_output=True, text=True)
        self.assertEqual(said.stdout, "Pl\xe4tze 1\n", said.stderr)
        self.assertEqual(port.port([old], self.fail), [])

    def test_packages_are_found_by_their_names(self):
        os.mkdir(os.path.join(self.folder, "old_plugin"))
        old = self.write("old_plugin/__init__.py", b"print 1\n")
        os.mkdir(os.path.join(self.folder, "other"))
        self.write("other/__init__.py", b"print 1\n")
        command = [sys.executable, "-m", "nightbell_plugin.compat.port", "--module", "old_plugin==1,json"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", self.folder])}
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        self.assertEqual((done.returncode, done.stdout), (0, f"converted {old}\n"), done.stderr)
        done = subprocess.run([*command[:-1], "not_there"], capture_output=True, text=True, env=env)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("there is no package not_there", done.stderr)

    def test_a_link_is_not_followed_and_a_long_file_is_refused(self):
        with tempfile.TemporaryDirectory() as elsewhere:
            there = os.path.join(elsewhere, "old.py")
            with open(there, "w", encoding="utf-8") as file:
                file.write("print 1\n")
            os.symlink(there, os.path.join(self.folder, "link.py"))
            self.write("long.py", b"print 1\n" + b"#" * port.MAX_SOURCE)
            wrong = port.port([self.folder], self.fail)
            self.assertEqual(len(wrong), 1)
            self.assertIn("longer than", wrong[0])


if __name__ == "__main__":
    unittest.main()

"""`python -m nightbell_plugin` as a process."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest

from nightbell_plugin import RpcError
from nightbell_plugin.testing import Host, runner

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLUGIN = """
    from nightbell_plugin import *
    plugin = Plugin()
    @plugin.destination("foo")
    async def deliver(delivery):
        return Delivered(delivery.message.title)
"""


class Runner(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text, name="mine.py"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def host(self, *options, **settings):
        return Host(command=runner("--path", self.folder, *options), folder=self.folder, **settings)

    async def test_a_module_a_named_object_and_a_file(self):
        path = self.write(PLUGIN)
        self.write("from mine import plugin\nanother = type(plugin)()\n", "two.py")
        for options in (["--module", "mine"], ["--module=two:plugin"], ["--file", path]):
            async with self.host(*options) as host:
                self.assertEqual((await host.deliver("foo"))["receipt"], "Disk is full")
                self.assertEqual(await host.close(), 0)

    async def test_a_program_that_runs_its_plugin_itself(self):
        path = self.write(PLUGIN + "\n    plugin.run()\n")
        async with Host(command=[sys.executable, path]) as host:
            self.assertEqual((await host.deliver("foo"))["outcome"], "delivered")

    async def test_what_a_program_prints_before_it_runs_its_plugin_goes_to_the_log(self):
        loud = "\n    import os, subprocess; os.write(1, b'early\\n'); subprocess.run(['echo', 'child'])\n"
        path = self.write(PLUGIN + loud + "    plugin.run()\n")
        async with Host(command=[sys.executable, path], env={"NIGHTBELL_PLUGIN": "mine"}) as host:
            self.assertEqual((await host.deliver("foo"))["outcome"], "delivered")
            self.assertEqual(host.peer.dropped, 0)
            await host.close()
            self.assertEqual(host.errors.decode().splitlines(), ["early", "child"])

    async def test_prints_of_all_kinds_go_to_the_log(self):
        self.write(
            """
            import os, subprocess, sys
            print("at import")
            from nightbell_plugin import Plugin, Delivered
            plugin = Plugin()
            @plugin.destination("foo")
            def deliver(delivery):
                print("print \\ud800")
                os.write(1, b"os.write\\n")
                sys.__stdout__.write("stdout\\n")
                subprocess.run(["echo", "child"])
                cat = subprocess.run(["cat"], capture_output=True, text=True)
                return Delivered(repr(sys.stdin.read()) + cat.stdout)
            """
        )
        async with self.host("--module", "mine") as host:
            self.assertEqual((await host.deliver("foo"))["receipt"], "''")
            await host.close()
            self.assertEqual(
                sorted(host.errors.decode().splitlines()),
                ["at import", "child", "os.write", "print \\ud800", "stdout"],
            )

    async def test_logging_reaches_the_host(self):
        self.write(
            PLUGIN
            + """
    import logging
    @plugin.destination("bar")
    def bar(delivery):
        logging.getLogger("theirs").info("hello %s", "you")
        logging.getLogger("theirs").debug("not this")
        logging.error("bad")
            """
        )
        async with self.host("--module", "mine") as host:
            await host.deliver("bar", id="d1")
            await host.until(lambda: len(host.logs) == 2)
        self.assertEqual(
            host.logs[0],
            {"level": "info", "message": "hello you", "fields": {"logger": "theirs"}, "delivery": "d1"},
        )

    async def test_what_only_a_person_can_mend_ends_with_78(self):
        self.write("import no_such_thing", "needs.py")
        self.write("x = ", "syntax.py")
        self.write("", "empty.py")
        self.write("from nightbell_plugin import Plugin\na = Plugin()\nb = Plugin()\n", "twice.py")
        self.write("from nightbell_plugin import *\nraise Misconfigured('set FOO_TOKEN')\n", "settle.py")
        self.write("raise OSError('no network')\n", "network.py")
        for options, status, words in [
            (["--module", "absent"], 78, "No module named 'absent': is it in the plugin's requirements"),
            (["--module", "needs"], 78, "No module named 'no_such_thing'"),
            (["--module", "syntax"], 78, "SyntaxError"),
            (["--module", "empty"], 78, "empty has no Plugin"),
            (["--module", "twice"], 78, "name it as twice:object"),
            (["--module", "twice:c"], 78, "twice has no Plugin named 'c'"),
            (["--module", "settle"], 78, "nightbell-plugin: set FOO_TOKEN"),
            (["--module", "network"], 1, "OSError: no network"),
            (["--file", "absent.py"], 1, "FileNotFoundError"),
            (["--compat", "other"], 78, "there is no compat 'other'"),
            ([], 78, "--module or --file is missing"),
            (["--module"], 78, "--module needs a value"),
            (["mine"], 78, "'mine' is not an option"),
        ]:
            with self.subTest(options=options):
                async with self.host(*options, begin=False) as host:
                    self.assertEqual(await host.ended(), status)
                    self.assertIn(words, host.errors.decode())

    async def test_a_start_that_only_a_person_can_mend(self):
        self.write(
            """
            from nightbell_plugin import *
            plugin = Plugin()
            @plugin.on_start
            def start():
                raise Misconfigured("no such account")
            """
        )
        async with self.host("--module", "mine", begin=False) as host:
            await host.hello()
            with self.assertRaisesRegex(RpcError, "no such account"):
                await host.ask("start")
            self.assertEqual(await host.ended(), 78)

    async def test_sigterm_and_the_end_of_input_end_it_whatever_hangs(self):
        self.write(
            PLUGIN
            + """
    import asyncio, threading
    @plugin.destination("thread")
    def thread(delivery):
        print("thread", flush=True)
        threading.Event().wait()
    @plugin.destination("task")
    async def task(delivery):
        print("task", flush=True)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
    @plugin.on_stop
    def stop():
        print("stopped")
            """
        )
        for way in ("signal", "end"):
            async with self.host("--module", "mine") as host:
                hanging = [asyncio.ensure_future(host.deliver(kind)) for kind in ("thread", "task")]
                await host.until(lambda: b"thread" in host.errors and b"task" in host.errors)
                if way == "signal":
                    host.process.send_signal(signal.SIGTERM)
                else:
                    for closer in reversed(host._closers):
                        closer()
                    host._closers.clear()
                self.assertEqual(await host.ended(), 0)
                self.assertIn(b"stopped", host.errors)
                host.peer.close("over")
                await asyncio.gather(*hanging, return_exceptions=True)

    @unittest.skipUnless(shutil.which("prlimit"), "there is no prlimit")
    async def test_as_many_threads_as_deliveries_fit_into_the_memory_of_a_plugin(self):
        self.write(
            """
            import threading
            from nightbell_plugin import *
            plugin, barrier = Plugin(), threading.Barrier(64)
            @plugin.destination("foo")
            def deliver(delivery):
                barrier.wait()
            """
        )
        command = ["prlimit", f"--as={256 << 20}", *runner("--path", self.folder, "--module", "mine")]
        async with Host(command=command) as host:
            outcomes = await host.deliver_all([host.delivery("foo") for _ in range(64)])
        self.assertEqual({outcome["outcome"] for outcome in outcomes}, {"delivered"})

    async def test_a_recorded_conversation_can_be_piped_in(self):
        self.write(PLUGIN)
        lines = [
            '{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":{"min":1,"max":1}}}',
            "not json",
            '{"jsonrpc":"2.0","id":2,"method":"health","params":{}}',
        ]
        path = self.write("\n".join(lines) + "\n", "input")

        def run():
            with open(path, "rb") as file:
                return subprocess.run(
                    runner("--module", "mine"),
                    stdin=file,
                    capture_output=True,
                    cwd=self.folder,
                    env={**os.environ, "PYTHONPATH": ROOT},
                    timeout=20,
                )

        done = await asyncio.get_running_loop().run_in_executor(None, run)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((done.returncode, {answer["id"] for answer in answers}), (0, {1, 2, None}))

    async def test_the_state_folder_is_not_where_modules_are_looked_for(self):
        state = os.path.join(self.folder, "state")
        os.mkdir(state)
        self.write(PLUGIN)
        self.write("raise ValueError('planted')", "state/tempfile.py")
        self.write("import tempfile\nfrom mine import plugin\n", "two.py")
        command = ["sh", "-c", 'cd "$0" && exec "$@"', state, *runner("--path", self.folder, "--module", "two")]
        async with Host(command=command, env={"NIGHTBELL_STATE": state}) as host:
            self.assertEqual((await host.deliver("foo"))["outcome"], "delivered")


if __name__ == "__main__":
    unittest.main()

"""The shipped plugin that sends through Apprise, against servers of its own."""

import json
import os
import unittest

from nightbell_plugin.testing import Host, message, runner

from .django_side import HERE, PYTHON, Web, needs

FOLDER = os.path.join(os.path.dirname(os.path.dirname(HERE)), "apprise")


@needs("apprise")
class Apprise(unittest.IsolatedAsyncioTestCase):
    maxDiff = None

    def host(self):
        command = [PYTHON, *runner("--module", "nightbell_apprise", "--path", FOLDER)[1:]]
        return Host(
            command=command, env={"PYTHONPATH": os.path.dirname(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        )

    async def test_it_sends_and_sends_again_only_what_was_not_taken(self):
        async with Web() as good, Web() as bad, self.host() as host:
            urls = [f"json://127.0.0.1:{good.port}/good", f"json://127.0.0.1:{bad.port}/bad"]
            what = message(body="98 %", facts=[["site", "oslo"]], severity="error")
            delivery = host.delivery("apprise", {"urls": urls, "format": "text"}, what=what)
            bad.status = 503
            outcome = (await host.deliver_all([delivery]))[0]
            self.assertEqual((outcome["outcome"], outcome["status"]), ("retry", 503), outcome)
            bad.status = 200
            outcome = (await host.deliver_all([{**delivery, "attempt": 2}]))[0]
            self.assertEqual(outcome["outcome"], "delivered")
            self.assertEqual((len(good.seen), len(bad.seen)), (1, 2))
            sent = json.loads(good.seen[0]["body"])
            text = "98 %\nsite: oslo\nhttp://bell.example/incidents/0a1b2c3d4e5f6"
            self.assertEqual(
                (sent["title"], sent["message"], sent["type"]), ("Disk is full", text, "failure")
            )
            bad.status = 403
            outcome = await host.deliver("apprise", {"urls": urls[1:]}, what=message(kind="resolved"))
            self.assertEqual((outcome["outcome"], outcome["status"]), ("rejected", 403), outcome)
            self.assertEqual(json.loads(bad.seen[-1]["body"])["type"], "success")

    async def test_its_settings_are_made_of_what_apprise_knows(self):
        async with self.host() as host:
            kind = host.provides["destinations"][0]
            urls = kind["settings"]["properties"]["urls"]
            self.assertIn("Slack", urls["description"])
            self.assertTrue(urls["items"]["x-secret"])
            self.assertRegex("slack://a/b/c", urls["items"]["pattern"])
            self.assertNotRegex("http://a", urls["items"]["pattern"])
            value = {"urls": ["slak://secret/x", "slack://secret", "json://127.0.0.1/x"]}
            said = await host.ask("validate", what="destination", kind="apprise", value=value)
            first, second = said["errors"]
            self.assertEqual((first["path"], second["path"]), ("urls.0", "urls.1"))
            self.assertIn("is it 'slack'?", first["message"])
            self.assertIn("slack://{token_a}/{token_b}/{token_c}", second["message"])
            self.assertNotIn("secret", first["message"] + second["message"])


if __name__ == "__main__":
    unittest.main()

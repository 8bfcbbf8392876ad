"""Secrets stay secret: in no log, error or answer, and an env file that everybody can read is named in a warning."""

import os
import stat
import subprocess
import unittest

from lab import ACCESS_KEY, SECRET_KEY, LabTestCase, program

TOKEN = "session-token-that-nobody-may-see"
WRONG_SECRET = "a-wrong-secret-that-nobody-may-see"


class Secrets(LabTestCase):
    def env_file(self, mode, url, secret=SECRET_KEY):
        path = self.folder / "aws.env"
        path.write_text(f"AWS_ACCESS_KEY_ID={ACCESS_KEY}\nAWS_SECRET_ACCESS_KEY={secret}\nAWS_ENDPOINT_URL={url}\n")
        path.chmod(mode)
        return path

    def agent_with(self, path):
        return self.agent("unused", environment={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None,
                                                 "AWS_ENDPOINT_URL": None},
                          sections=f'env_file = "{path}"\n', config='log_level = "trace"')

    def test_the_articles_env_file_works_and_is_warned_of_when_everybody_can_read_it(self):
        aws = self.simaws("--regions", "eu-central-1")
        for mode, warned in ((0o600, False), (0o640, False), (0o644, True), (0o604, True)):
            path = self.env_file(mode, aws.url)
            bakusoku = self.agent_with(path)
            self.assertRegex(bakusoku.ask("aws.ec2.name2id[web-1]"), "^i-")
            warning = [line for line in bakusoku.log().splitlines() if str(path) in line and "warn" in line.lower()]
            self.assertEqual(bool(warning), warned, f"{stat.filemode(mode)}: {bakusoku.log()}")
            self.assertNotIn(SECRET_KEY, bakusoku.log())
            bakusoku.stop()

    def test_nothing_secret_is_logged_or_answered_at_any_level_or_fault(self):
        aws = self.simaws("--regions", "eu-central-1")
        path = self.env_file(0o600, aws.url, secret=WRONG_SECRET)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"AWS_SESSION_TOKEN={TOKEN}\n")
        bakusoku = self.agent_with(path)
        answers = [bakusoku.ask(key) for key in ("aws.ec2.name2id[web-1]", "aws.discovery[ec2]",
                                                 'aws.metric[AWS/EC2,CPUUtilization,"InstanceId=i-1",Average,300]')]
        for answer in answers:
            self.assertNotSupported(answer)
        checked = subprocess.run([program("bakusoku"), "check", "--config", str(bakusoku.config_file)], capture_output=True,
                                 text=True, timeout=60, check=False,
                                 env={"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true"})
        said = "\n".join([bakusoku.log(), *answers, checked.stdout, checked.stderr])
        self.assertIn(ACCESS_KEY, checked.stdout, "the key's id is no secret, and useful")
        for secret in (WRONG_SECRET, TOKEN, SECRET_KEY):
            self.assertNotIn(secret, said)
        # Nothing of them in the process's title or, but for the environment it was given, in what others may read.
        with open(f"/proc/{bakusoku.pid}/cmdline", "rb") as file:
            self.assertNotIn(WRONG_SECRET.encode(), file.read())

    def test_the_socket_is_not_open_to_everybody(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        self.assertEqual(stat.S_IMODE(os.stat(bakusoku.socket).st_mode) & 0o007, 0)


if __name__ == "__main__":
    unittest.main()

// bakusoku.so: the agent's items inside zabbix_agentd, zabbix_server and zabbix_proxy, 3.0 to 7.x. A guest in
// Zabbix's processes: loading does nothing; each worker opens one connection to the agent's socket when it is
// first asked, and waits for an answer no longer than the item's timeout allows.
#include "zbxmod/module.h"

#include <cstdlib>
#include <string>

#include "ask/client.h"

namespace {

using bakusoku::ask::Answer;
using bakusoku::ask::Client;
using zbxmod::any_parameters;
using zbxmod::item;
using zbxmod::Request;
using zbxmod::Result;

std::string echo(const Request& request);
Result<std::string> ask_agent(const Request& request);

constexpr zbxmod::Item items[] = {
    item<echo>("bakusoku.echo", any_parameters).test("hello,world"),
    item<ask_agent>("bakusoku.ping"),
    item<ask_agent>("bakusoku.version"),
    item<ask_agent>("bakusoku.stats", any_parameters),
    item<ask_agent>("bakusoku.status"),
    item<ask_agent>("bakusoku.explain", any_parameters).test("web-1"),
    item<ask_agent>("aws.metric", any_parameters)
        .test("AWS/EC2,CPUUtilization,InstanceId=i-00000000000000000"),
    item<ask_agent>("aws.math", any_parameters)
        .test(
            "errors/requests*100,\"errors=AWS/Lambda,Errors,,Sum\",\"requests=AWS/Lambda,Invocations,,Sum\""),
    item<ask_agent>("aws.discovery", any_parameters).test("ec2"),
    item<ask_agent>("aws.resource", any_parameters).test("ec2,i-00000000000000000,state"),
    item<ask_agent>("aws.ec2.name2id", any_parameters).test("web-1"),
    item<ask_agent>("weblog.requests", any_parameters).test("/var/log/nginx/access.log"),
    item<ask_agent>("weblog.status", any_parameters).test("/var/log/nginx/access.log,5xx"),
    item<ask_agent>("weblog.bytes", any_parameters).test("/var/log/nginx/access.log"),
    item<ask_agent>("weblog.time", any_parameters).test("/var/log/nginx/access.log,p95,1m"),
    item<ask_agent>("weblog.state", any_parameters).test("/var/log/nginx/access.log"),
};

/// The parameters joined by a space: whether the module works at all, without the agent.
std::string echo(const Request& request) {
  std::string text;
  for (int i = 0; i < request.count(); ++i) {
    if (i > 0) text += ' ';
    text += request.param(i);
  }
  return text;
}

struct Asker {
  Client client;
  std::string key{};  // kept for its memory
};

constinit zbxmod::PerWorker<Asker> worker;

std::string socket_path() {
  const char* path = std::getenv(bakusoku::ask::kSocketVariable);
  return path != nullptr && *path != '\0' ? path : bakusoku::ask::kDefaultSocket;
}

/// Every key that needs the agent: sent as text, as the agent's table of items is the one that knows what it
/// means.
Result<std::string> ask_agent(const Request& request) {
  Asker& asker = worker.get([] { return Asker{Client(socket_path())}; });
  asker.key.clear();
  if (auto written = request.append_key(asker.key); !written)
    return zbxmod::not_supported(written.error().message);
  Answer answer = asker.client.ask(asker.key, request.deadline().at());
  if (answer.outcome != Answer::Outcome::value) return zbxmod::not_supported(std::move(answer.text));
  return std::move(answer.text);
}

}  // namespace

ZBXMOD_MODULE(items)

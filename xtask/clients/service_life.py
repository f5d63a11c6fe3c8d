"""A service's life, as a Python program for Rancher's API drives it. Ends with an error where an answer is not as awaited.

IMAGE is what it is made of, without the tag (there are 1, 2 and 3); COMMAND is one that works in it."""

import base64
import json
import os
import time

import cattle
import gdapi
import websocket

URL = os.environ["DROVER_URL"] + "/v2-beta/projects/1a5"
IMAGE = os.environ["IMAGE"]
COMMAND = os.environ["COMMAND"].split()
KEY = (os.environ["DROVER_ACCESS_KEY"], os.environ["DROVER_SECRET_KEY"])
client = cattle.from_env(url=URL, access_key=KEY[0], secret_key=KEY[1])


def rest(resource, state):
    """Poll until it is not in transition, as the package's users do."""
    deadline = time.time() + 60
    while True:
        resource = client.reload(resource)
        if resource.transitioning != "yes":
            same(resource.state, state, resource.transitioningMessage)
            return resource
        if time.time() > deadline:
            raise SystemExit(f"{resource.state} for a minute: {resource.transitioningMessage}")
        time.sleep(0.05)


def same(got, wanted, told=""):
    if got != wanted:
        raise SystemExit(f"{got!r} and not {wanted!r} {told or ''}")


def refused(call, status, code):
    try:
        call()
    except (gdapi.ApiError, cattle.ApiError) as error:
        same((error.error.status, error.error.code), (status, code))
    else:
        raise SystemExit(f"not refused with {status} {code}")


def image(tag):
    return {"imageUuid": IMAGE + tag, "labels": {"a": "b"}}


def upgrade(tag, interval=100):
    strategy = {"launchConfig": image(tag), "batchSize": 1, "intervalMillis": interval}
    return web.upgrade_action(inServiceStrategy=strategy)


stack = rest(client.create_stack(name="python"), "active")
refused(lambda: client.create_stack(name="python"), 422, "NotUnique")
refused(lambda: client.create_service(name="x"), 422, "MissingRequired")
web = client.create_service(name="web", stackId=stack.id, scale=2, launchConfig=image("1"))
same((web.state, web.transitioning), ("registering", "yes"))
web = rest(web, "inactive").activate()
same(web.state, "activating")
web = rest(web, "active")
same(len(web.instances().data), 2)
web = rest(client.update(web, scale=3), "active")
print("made, activated, scaled")

# The same by the package that the other one is made of.
plain = gdapi.Client(url=URL, access_key=KEY[0], secret_key=KEY[1])
same(plain.by_id_service(web.id).name, "web")
same([one.id for one in plain.list_service(name="web", stackId=stack.id)], [web.id])
other = plain.create_stack(name="gdapi")
other = plain.update(plain.reload(other), description="changed")
same(plain.by_id_stack(other.id).description, "changed")
refused(lambda: plain.create_stack(name="gdapi"), 422, "NotUnique")
plain.delete(plain.reload(other))
same([one.name for one in plain.list_stack(name="gdapi")], [])
print("and with gdapi")

web = upgrade("2")
same(web.state, "upgrading")
web = rest(web, "upgraded").finishupgrade()
same(web.state, "finishing-upgrade")
web = rest(web, "active")
web = upgrade("3", interval=600_000).cancelupgrade()
same(web.state, "canceling-upgrade")
web = rest(web, "canceled-upgrade").rollback()
same(web.state, "rolling-back")
web = rest(web, "active")
same(web.launchConfig.imageUuid, IMAGE + "2")
print("upgraded, finished, canceled, rolled back")

db = rest(client.create_service(name="db", stackId=stack.id, launchConfig=image("1")), "inactive")
web.setservicelinks(serviceLinks=[{"serviceId": db.id, "name": "mydb"}])
links = client.list_serviceConsumeMap(serviceId=web.id).data
same([(link.name, link.consumedServiceId) for link in links], [("mydb", db.id)])
for query, names in [({"name_like": "we%"}, ["web"]), ({"state_ne": "active"}, ["db"]), ({"name": "WEB"}, ["web"])]:
    found = client.list_service(stackId=stack.id, **query).data
    same([service.name for service in found], names, query)
# What a rollback took down may be on its way out still.
page = client.list_container(state="running", limit=2, sort="id")
same((len(page.data), page.pagination.partial), (2, True))
same(len(page.next().data), 1)
print("linked, filtered, paged")

container = web.instances().data[0]
logs = container.logs(follow=False, lines=10)
socket = websocket.create_connection(logs.url + "?token=" + logs.token)
line = socket.recv()
same(line[:3], "01 ", line)
socket.close()
run = container.execute(command=COMMAND, tty=False, attachStdin=False)
websocket.create_connection(run.url + "?token=" + run.token).close()
auth = "Authorization: Basic " + base64.b64encode(":".join(KEY).encode()).decode()
events = URL.replace("http", "ws", 1) + "/subscribe?eventNames=resource.change"
socket = websocket.create_connection(events, header=[auth], timeout=60)
same(json.loads(socket.recv())["name"], "ping")
same(container.stop().state, "stopping")
seen = []
while "stopping" not in seen or seen[-1] != "running":
    event = json.loads(socket.recv())
    if event["resourceId"] == container.id:
        seen.append(event["data"]["resource"]["state"])
socket.close()
print("log, command, events:", " ".join(seen))

web = rest(web.deactivate(), "inactive")
client.delete(web)
rest(web, "removed")
client.delete(stack)
rest(stack, "removed")
print("removed")

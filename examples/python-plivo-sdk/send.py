"""The official Plivo SDK for Python, unchanged but for its base URL: one SMS, one MMS, and one that a policy refuses."""

import os

import plivo
import plivo.rest.client

BASE = os.environ.get("SENDGATE_URL", "http://127.0.0.1:8787")
# This SDK takes only ids of Plivo's shape; the token alone tells the sidecar which app it is.
AUTH_ID = os.environ.get("SENDGATE_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX")
TOKEN = os.environ.get("SENDGATE_TOKEN", "demo-token")
FROM = os.environ.get("PLIVO_SENDER_NUMBER", "+14155551212")

# The module's constant, not `client.base_uri`: the SDK puts the constant back before each send.
plivo.rest.client.PLIVO_API_BASE_URI = f"{BASE}/v1/Account"


def main():
    client = plivo.RestClient(AUTH_ID, TOKEN)

    sms = client.messages.create(src=FROM, dst="+14155550123", text="Hello from Python é €")
    print("sms", sms.message_uuid[0])

    mms = client.messages.create(
        src=FROM,
        dst="+14155550199",
        text="A picture from Python",
        type_="mms",
        media_urls=["https://cdn.example.com/a.jpg"],
    )
    print("mms", mms.message_uuid[0])

    details = client.messages.get(sms.message_uuid[0])
    print("state", details.message_state, "to", details.to_number)

    try:
        client.messages.create(src=FROM, dst="+989121234567", text="Hello")
    except plivo.exceptions.PlivoRestError as refusal:
        if "country.hard_denied" not in str(refusal):
            raise
        print("refused", refusal)
    else:
        raise SystemExit("a blocked country was not refused")


if __name__ == "__main__":
    main()

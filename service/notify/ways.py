"""The channels that the settings describe."""

from collections.abc import Mapping

from alerts.channels import Channel, NotSetUp
from alerts.channels.email import Email, SmtpServer
from alerts.channels.mqtt import Mqtt
from alerts.channels.webhook import Webhook
from domain.broker import BrokerAddress
from domain.notifications import Way
from service.settings import Settings

__all__ = ["channels_of"]


def channels_of(settings: Settings) -> Mapping[Way, Channel]:
    """
    A channel for every way. One whose settings are missing refuses each notification with a sentence, for all to see.

    Raises
    ------
    SettingsError
        The address of a server is malformed.
    """
    return {Way.EMAIL: _email(settings), Way.WEBHOOK: _webhook(settings), Way.MQTT: _mqtt(settings)}


def _email(settings: Settings) -> Channel:
    if settings.smtp_url is None or settings.smtp_from is None:
        return NotSetUp(name=Way.EMAIL, detail="e-mail is not configured: set KAWASAN_SMTP_URL and KAWASAN_SMTP_FROM")
    return Email(server=SmtpServer.parse(settings.smtp_url.get_secret_value()), sender=settings.smtp_from)


def _webhook(settings: Settings) -> Channel:
    secret = settings.webhook_secret
    return Webhook(
        secret=None if secret is None else secret.get_secret_value(),
        allow=frozenset(host.lower() for host in settings.webhook_allow),
    )


def _mqtt(settings: Settings) -> Channel:
    if settings.mqtt_url is None:
        return NotSetUp(name=Way.MQTT, detail="MQTT is not configured: set KAWASAN_MQTT_URL")
    address = BrokerAddress.parse(settings.mqtt_url.get_secret_value())
    return Mqtt(broker=address, version=settings.mqtt_version)

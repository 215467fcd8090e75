from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty_site.common.errors import DomainError
from loyalty_site.demo.services import connect_channel, seed_demo
from messaging.errors import GatewayError
from messaging.services import sync_templates


class Command(BaseCommand):
    """Run again at will; what is there stays."""

    help = "Make the demo shop: people, programme and affiliates. Bills come from the ERP."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sign_ins = seed_demo()
        except DomainError as error:
            raise CommandError(str(error)) from error
        if channel := connect_channel():
            try:
                sync_templates(channel=channel, now=timezone.now())
            except GatewayError as error:
                self.stderr.write(f"The message templates come later: {error}")
        for each in sign_ins:
            self.stdout.write(f"  {each.role:<11} {each.place:<36} {each.secret:<19} {each.name}")

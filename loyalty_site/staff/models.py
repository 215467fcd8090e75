import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from loyalty_site.common.fields import EncryptedTextField


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail address, and finds them however the address is capitalised."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who may sign in with this password (none: only after one is set)."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str, **fields: Any) -> "User":
        """A user who may do everything; for the first start."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user who signs in with this e-mail address."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person of the shop or an integrator's machine; signs in by e-mail address."""

    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(
        "may sign in", default=True, help_text="Turn off instead of deleting."
    )
    is_staff = models.BooleanField("sees the back office", default=False)
    token_version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    held_permissions: str | None = None
    """Ids of all permissions, held or of a group, where they were read along with the user."""

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """What the back office's user box shows."""
        return self.name

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """The stamp on every session and token: a new password or token version voids them all."""
        return salted_hmac(
            "loyalty_site.staff.sign_in_stamp",
            f"{self.password}:{self.token_version}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()


class RefreshFamily(models.Model):
    """One sign-in through the API and every refresh token that follows from it.

    It lives while `stamp` is still its user's, and until an old token of it comes back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_families")
    stamp = models.CharField(max_length=64)
    created_at = models.DateTimeField("signed in at", default=timezone.now)
    expires_at = models.DateTimeField()
    reused_at = models.DateTimeField("an old token was used again at", null=True, blank=True)

    class Meta:
        verbose_name = "API sign-in"
        indexes = [models.Index(fields=["expires_at"], name="family_expiry")]

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d %H:%M}"


class RefreshGeneration(models.Model):
    """One refresh token of a family. The newest is live; the token itself is never stored."""

    family = models.ForeignKey(RefreshFamily, on_delete=models.CASCADE, related_name="generations")
    number = models.PositiveIntegerField()
    token_id = models.UUIDField(default=uuid.uuid4)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="generation_expiry")]
        constraints = [
            models.UniqueConstraint(fields=["family", "number"], name="one_token_a_generation")
        ]

    def __str__(self) -> str:
        return f"generation {self.number} of {self.family_id}"


class IdempotencyRecord(models.Model):
    """What a request with an `Idempotency-Key` was answered; commits together with its effect.

    A row without a status is only ever seen by the transaction that is at work on it.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = EncryptedTextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return f"key {self.key[:12]}… of user {self.user_id}"

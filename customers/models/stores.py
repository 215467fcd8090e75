from django.db import models


class Store(models.Model):
    """A branch of the chain."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    zone = models.CharField("time zone", max_length=40, default="Asia/Kolkata")
    currency = models.CharField(max_length=3, default="INR")

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name or self.code


class Product(models.Model):
    """An article as bills name it."""

    sku = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    category = models.CharField(
        max_length=200, blank=True, help_text="Path from wide to narrow, parted by “/”."
    )
    brand = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [models.Index(fields=["category"], name="product_category")]

    def __str__(self) -> str:
        return self.name or self.sku

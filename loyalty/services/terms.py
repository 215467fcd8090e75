"""The shop's rules about what customers do with each other."""

from loyalty.models import PeopleTerms, Program


def people_terms(program: Program) -> PeopleTerms:
    """A programme's rules; as they are shipped while nobody wrote others."""
    terms = PeopleTerms.objects.filter(program=program).first()
    return terms or PeopleTerms(program=program)

"""Invented identities: names that go together, and branches in Indian cities."""

from typing import NamedTuple


class Community(NamedTuple):
    """Given names and family names that are met together."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


class City(NamedTuple):
    """A city with its quarters, enough for nine branches."""

    name: str
    state: str
    short: str
    pin: int
    quarters: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMUNITIES = (
    Community(
        _words("Asmita Gauri Manasi Rujuta Sayali"),
        _words("Ajinkya Mandar Nikhil Sameer Tushar"),
        _words("Deshpande Jadhav Kulkarni Pawar Shinde"),
    ),
    Community(
        _words("Anuradha Bhavani Kavitha Meenakshi Sudha"),
        _words("Arvind Karthik Murugan Senthil Vignesh"),
        _words("Iyer Natarajan Raghavan Subramaniam Venkatesan"),
    ),
    Community(
        _words("Ananya Debjani Moumita Rituparna Sharmila"),
        _words("Anirban Debashish Partha Sourav Subrata"),
        _words("Banerjee Bose Chatterjee Ghosh Mukherjee"),
    ),
    Community(
        _words("Gurleen Harpreet Jasleen Manpreet Simran"),
        _words("Amarjit Gurpreet Harjinder Kuldeep Rajbir"),
        _words("Bajwa Dhillon Gill Sandhu Sidhu"),
    ),
    Community(
        _words("Bhumika Dhara Hetal Jigna Krupa"),
        _words("Chirag Dhaval Hardik Jignesh Mehul"),
        _words("Desai Mehta Parekh Patel Shah"),
    ),
    Community(
        _words("Ayesha Farhana Nasreen Rukhsar Zainab"),
        _words("Arif Faisal Imran Salman Zubair"),
        _words("Ansari Khan Qureshi Shaikh Siddiqui"),
    ),
    Community(
        _words("Carol Fiona Jacinta Melanie Rochelle"),
        _words("Agnelo Clive Joaquim Melvin Savio"),
        _words("DSouza Fernandes Pereira Pinto Rodrigues"),
    ),
    Community(
        _words("Athira Deepthi Lakshmi Parvathy Sreeja"),
        _words("Anoop Biju Jayakrishnan Sajith Unnikrishnan"),
        _words("Kurup Menon Nair Pillai Varma"),
    ),
    Community(
        _words("Anusha Bhargavi Padmaja Sirisha Sravani"),
        _words("Chaitanya Mahesh Naveen Phanindra Srinivas"),
        _words("Chowdary Naidu Rao Reddy Sastry"),
    ),
    Community(
        _words("Aarti Kavita Nidhi Pooja Shweta"),
        _words("Abhishek Manish Pankaj Rohit Vivek"),
        _words("Agarwal Gupta Mishra Sharma Verma"),
    ),
)

_CITIES = """
Pune, Maharashtra, PUN, 411
Camp, Aundh, Kothrud, Hadapsar, Viman Nagar, Baner, Wakad, Karve Nagar, Kharadi
Indore, Madhya Pradesh, IND, 452
Vijay Nagar, Palasia, Rajwada, Bhawarkua, Sapna Sangeeta, Annapurna, Rau, Nipania, Sudama
Mumbai, Maharashtra, MUM, 400
Dadar, Andheri, Borivali, Powai, Chembur, Mulund, Bandra, Malad, Ghatkopar
Nagpur, Maharashtra, NAG, 440
Sitabuldi, Dharampeth, Sadar, Manish Nagar, Wardhaman, Pratap Nagar, Itwari, Jaripatka, Besa
Ahmedabad, Gujarat, AMD, 380
Navrangpura, Maninagar, Bopal, Satellite, Vastrapur, Paldi, Gota, Nikol, Chandkheda
Surat, Gujarat, SUR, 395
Adajan, Vesu, Varachha, Katargam, Athwa, Piplod, Rander, Udhna, Pal
Vadodara, Gujarat, VAD, 390
Alkapuri, Gotri, Manjalpur, Karelibaug, Akota, Fatehgunj, Waghodia, Sama, Vasna
Jaipur, Rajasthan, JAI, 302
Malviya Nagar, Vaishali, Raja Park, Mansarovar, Bani Park, Sodala, Tonk Road, Jagatpura, Amer
Delhi, Delhi, DEL, 110
Karol Bagh, Lajpat Nagar, Rohini, Dwarka, Saket, Pitampura, Janakpuri, Preet Vihar, Rajouri
Chandigarh, Chandigarh, CHD, 160
Sector 17, Sector 22, Sector 35, Sector 43, Sector 8, Manimajra, Sector 15, Sector 26, Elante
Lucknow, Uttar Pradesh, LKO, 226
Hazratganj, Gomti Nagar, Aliganj, Indira Nagar, Alambagh, Aminabad, Jankipuram, Chowk, Mahanagar
Bhopal, Madhya Pradesh, BHO, 462
MP Nagar, Arera Colony, Kolar, New Market, Bairagarh, Ayodhya Nagar, Shahpura, Katara, Indrapuri
Kolkata, West Bengal, KOL, 700
Salt Lake, Gariahat, Behala, Park Street, Dum Dum, New Town, Tollygunge, Jadavpur, Howrah
Patna, Bihar, PAT, 800
Boring Road, Kankarbagh, Patliputra, Bailey Road, Danapur, Rajendra Nagar, Ashiana, Saguna, Digha
Hyderabad, Telangana, HYD, 500
Ameerpet, Kukatpally, Madhapur, Himayatnagar, Kondapur, Uppal, Miyapur, Begumpet, Attapur
Visakhapatnam, Andhra Pradesh, VSP, 530
Dwaraka Nagar, Gajuwaka, MVP Colony, Siripuram, Rushikonda, Madhurawada, NAD, Pendurthi, Isukathota
Bengaluru, Karnataka, BLR, 560
Jayanagar, Indiranagar, Koramangala, Malleshwaram, Whitefield, Hebbal, Banashankari, Yelahanka, HSR
Chennai, Tamil Nadu, CHN, 600
T Nagar, Anna Nagar, Velachery, Adyar, Mylapore, Porur, Tambaram, Perambur, Guindy
Coimbatore, Tamil Nadu, CBE, 641
RS Puram, Gandhipuram, Peelamedu, Saibaba Colony, Singanallur, Vadavalli, Ukkadam, Ganapathy, Sulur
Kochi, Kerala, KOC, 682
Kakkanad, Edappally, Palarivattom, Vyttila, Fort Kochi, Kaloor, Aluva, Tripunithura, Panampilly
"""


def _cities() -> tuple[City, ...]:
    """Read the table: a line for the city, a line for its quarters."""
    rows = [tuple(line.split(", ")) for line in _CITIES.strip().splitlines()]
    return tuple(
        City(name, state, short, int(pin), quarters)
        for (name, state, short, pin), quarters in zip(rows[::2], rows[1::2], strict=True)
    )


CITIES = _cities()


def name_of(number: int) -> tuple[str, str, bool]:
    """Given name, family name and whether a woman's, for household number 0 to 499.

    Each of the 500 names comes once.
    """
    community = COMMUNITIES[number % len(COMMUNITIES)]
    turn = number // len(COMMUNITIES)
    givens = tuple(
        name for pair in zip(community.women, community.men, strict=True) for name in pair
    )
    given = givens[turn % len(givens)]
    shift = turn // len(givens)
    family = community.families[(turn + shift) % len(community.families)]
    return given, family, given in community.women

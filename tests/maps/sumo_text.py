"""A small road network of SUMO as text: a street to the east that another one joins from the north, with lights."""

NET = """<?xml version="1.0" encoding="UTF-8"?>
<net version="1.9">
<location netOffset="-100.00,-200.00" convBoundary="0,0,200,100" origBoundary="0,0,1,1"
 projParameter="+proj=utm +zone=33 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"/>
<edge id=":m_0" function="internal">
 <lane id=":m_0_0" index="0" speed="8" length="20" shape="90,-1.6 110,-1.6"/></edge>
<edge id=":m_1" function="internal">
 <lane id=":m_1_0" index="0" speed="6" length="16" shape="98.4,10 97,4 90,1.6"/></edge>
<edge id=":m_c0" function="crossing" crossingEdges="in">
 <lane id=":m_c0_0" index="0" allow="pedestrian" speed="1" length="7" width="4" shape="84,-4 84,4"/></edge>
<edge id=":m_w0" function="walkingarea">
 <lane id=":m_w0_0" index="0" allow="pedestrian" speed="1" length="5" width="4" shape="84,-4 90,-4 90,-8 84,-8"/></edge>
<edge id="in" from="w" to="m">
 <lane id="in_0" index="0" allow="pedestrian" speed="2" length="90" width="2" shape="0,-4.2 90,-4.2"/>
 <lane id="in_1" index="1" disallow="pedestrian" speed="13.9" length="90" shape="0,-1.6 90,-1.6"/></edge>
<edge id="back" from="m" to="w">
 <lane id="back_0" index="0" disallow="pedestrian" speed="13.9" length="90" shape="90,1.6 0,1.6"/></edge>
<edge id="out" from="m" to="e">
 <lane id="out_0" index="0" disallow="pedestrian" speed="13.9" length="90" shape="110,-1.6 200,-1.6"/></edge>
<edge id="side" from="n" to="m">
 <lane id="side_0" index="0" disallow="pedestrian" speed="8.3" length="90" shape="98.4,100 98.4,10"/></edge>
<edge id="rails" from="n" to="e">
 <lane id="rails_0" index="0" allow="rail" speed="30" length="140" shape="98,100 200,0"/></edge>
<tlLogic id="m" type="static" programID="0" offset="0">
 <phase duration="30" state="Gr"/><phase duration="4" state="yr"/>
 <phase duration="20" state="rG"/><phase duration="4" state="ry"/></tlLogic>
<junction id="m" type="traffic_light" x="100" y="0" shape="90,-4 110,-4 110,4 102,10 95,10 90,4"/>
<junction id="w" type="dead_end" x="0" y="0" shape="0,0 0,3"/>
<connection from="in" to="out" fromLane="1" toLane="0" via=":m_0_0" tl="m" linkIndex="0" dir="s" state="O"/>
<connection from="side" to="back" fromLane="0" toLane="0" via=":m_1_0" tl="m" linkIndex="1" dir="r" state="o"/>
<connection from=":m_0" to="out" fromLane="0" toLane="0" dir="s" state="M"/>
<connection from=":m_1" to="back" fromLane="0" toLane="0" dir="r" state="M"/>
</net>
"""

POLYGONS = """<?xml version="1.0" encoding="UTF-8"?>
<additional>
<poly id="7" type="building" shape="20,10 40,10 40,22 20,22 20,10"><param key="height" value="8.5"/></poly>
<poly id="8" type="building" shape="50,10 60,10 60,20 50,20"/>
<poly id="9" type="forest" shape="120,10 180,10 180,60 120,60"/>
<poly id="10" type="sport" shape="0,50 10,50 10,60"/>
<poi id="11" type="natural" x="10" y="15"/>
</additional>
"""
